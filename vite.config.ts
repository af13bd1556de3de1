import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const { resolve } = createRequire(import.meta.url);
const bytesOf = (name: string): number => statSync(resolve(`onnxruntime-web/${name}`)).size;

const assetsMark = '%ASSETS%';

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
    // written once all files have their names
    ASSETS: JSON.stringify(assetsMark),
  },
  // the same files whatever NODE_ENV says: a build within tests would name this machine's folders in them
  oxc: { jsx: { development: false } },
  worker: {
    format: 'es',
    rolldownOptions: {
      output: {
        // a service worker always has the same address, above all that it answers for
        entryFileNames: ({ name }) => (name === 'offline' ? 'offline.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  resolve: { alias: { '#ort': path('src/web/engine/ort-here.ts') } },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  plugins: [listed(), compressed()],
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

/** Tells the service worker which files there are. */
function listed(): Plugin {
  let folder = '';
  return {
    name: 'listed',
    apply: 'build',
    configResolved({ build }) {
      folder = build.outDir;
    },
    closeBundle() {
      const worker = join(folder, 'offline.js');
      const names = readdirSync(join(folder, 'assets')).toSorted().join(' ');
      writeFileSync(worker, readFileSync(worker, 'utf8').replace(assetsMark, names));
    },
  };
}
