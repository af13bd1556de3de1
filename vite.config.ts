import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const { resolve } = createRequire(import.meta.url);
const bytesOf = (name: string): number => statSync(resolve(`onnxruntime-web/${name}`)).size;

/** The demo: `pnpm build:demo` writes it to dist/web, from where the server serves it and `sparring demo` copies it. */
export default defineConfig({
  root: path('src/web'),
  // relative, so that the folder works under any path of a file host
  base: './',
  build: {
    outDir: path('dist/web'),
    emptyOutDir: true,
    target: 'es2023',
    // the programs of ONNX Runtime are large and loaded when they are needed
    chunkSizeWarningLimit: 1000,
    modulePreload: { polyfill: false },
  },
  define: {
    WASM_BYTES: JSON.stringify({
      wasm: bytesOf('ort-wasm-simd-threaded.wasm'),
      webgpu: bytesOf('ort-wasm-simd-threaded.asyncify.wasm'),
    }),
  },
  // the same files whatever NODE_ENV says: a build within tests would name this machine's folders in them
  oxc: { jsx: { development: false } },
  worker: { format: 'es' },
  resolve: { alias: { '#ort': path('src/web/engine/ort-here.ts') } },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  plugins: [compressed()],
});

/**
 * Writes `.gz` beside scripts, styles and WebAssembly, for servers that send such files as they are. Not brotli: at its
 * best level ONNX Runtime's programs take minutes.
 */
function compressed(): Plugin {
  let folder = '';
  return {
    name: 'compressed',
    apply: 'build',
    configResolved({ build }) {
      folder = build.outDir;
    },
    closeBundle() {
      const assets = join(folder, 'assets');
      for (const name of readdirSync(assets).filter((file) => /\.(?:js|css|wasm)$/.test(file))) {
        writeFileSync(join(assets, `${name}.gz`), gzipSync(readFileSync(join(assets, name)), { level: 9 }));
      }
    },
  };
}
