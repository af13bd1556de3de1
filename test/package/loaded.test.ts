import { describe, expect, test } from 'vitest';
import { loadedBy } from '../support/loaded.ts';

const importing = (file: string): readonly string[] => [
  '--input-type=module',
  '-e',
  `await import(new URL('${file}', 'file://' + process.cwd() + '/'))`,
];
const command = (...args: string[]): readonly string[] => ['src/cli/bin.ts', ...args];

/** The packages that draw, and our own files that do. */
const drawing =
  /\/node_modules\/(@napi-rs\/canvas[^/]*|@observablehq\/plot|d3[^/]*|linkedom|dejavu-fonts-ttf)\/|\/report\/kit\/(plot|pixels|fonts|pictures)\.ts/;
/** The packages that read pictures, zip files and CSV, which only some data sets are. */
const reading = /\/node_modules\/(sharp|@img\/[^/]*|yauzl|csv-parse)\//;
const onnxRuntime = /\/onnxruntime_binding\.node/;

const matching = async (args: readonly string[], pattern: RegExp): Promise<readonly string[]> =>
  [...(await loadedBy(args))].filter((url) => pattern.test(url));

describe('no canvas, no fonts, no plotting library and no decoder are loaded by', () => {
  // --help imports every command
  test.for<readonly [what: string, args: readonly string[]]>([
    ["import 'sparring'", importing('src/index.ts')],
    ["import 'sparring/runtime'", importing('src/runtime/index.ts')],
    ["import 'sparring/builder'", importing('src/builder/index.ts')],
    ['sparring --help', command('--help')],
    ['sparring devices', command('devices', '--json')],
  ])('%s', async ([, args]) => {
    const urls = [...(await loadedBy(args))];
    expect(urls.filter((url) => drawing.test(url) || reading.test(url))).toEqual([]);
  });
});

test('a folder of pictures loads what decodes pictures', async () => {
  const open =
    "const { openImages } = await import('./src/index.ts'); await openImages('docs').catch(() => {})";
  const urls = await matching(['--input-type=module', '-e', open], reading);
  expect(urls.join('\n')).toContain('/sharp/');
  expect(urls.join('\n')).not.toContain('/yauzl/');
});

test('what draws loads canvas, fonts and plotting library', async () => {
  const urls = await matching(importing('src/report/paper/index.ts'), drawing);
  for (const part of ['/skia.', '@observablehq/plot', 'linkedom', '/report/kit/fonts.ts']) {
    expect(urls.join('\n')).toContain(part);
  }
});

test('the builder loads no ONNX Runtime; the runtime does', async () => {
  expect(await matching(importing('src/builder/index.ts'), onnxRuntime)).toEqual([]);
  expect(await matching(importing('src/runtime/index.ts'), onnxRuntime)).not.toEqual([]);
});
