import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareDemo } from '../../../src/cli/experiment/demo-data.ts';
import { withDemoModels } from '../../../src/cli/experiment/demo-models.ts';
import { describe as describePage } from '../../../src/cli/experiment/demo-page.ts';
import { drawPreview } from '../../../src/cli/experiment/demo-preview.ts';
import { loadDigits, openModel, type Result } from '../../../src/runtime/index.ts';
import { float32 } from '../../../src/runtime/tensor.ts';
import { loadCatalogue, manifestOf, type Catalogue } from '../../../src/server/index.ts';
import { lineUp, seriesOf } from '../../../src/web/lineup.ts';
import { shippedResults } from '../../../src/web/results.ts';
import { digitsOf } from '../../../src/web/samples.ts';
import { sparring } from '../../support/cli.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';
import '../../support/run.ts';
import { untrainedRun } from '../../support/server.ts';

let cwd: string;
let run: string;
let catalogue: Catalogue;
/** The hash of the data in the folder `squares`. */
let sha256: string;

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-demo-data-'));
  run = join(cwd, 'run');
  await untrainedRun(run, [
    { eps: 0.1, clip: true },
    { eps: 0.3, clip: true },
  ]);
  catalogue = await withDemoModels(await loadCatalogue(run));
  await writeIdxFolder(join(cwd, 'squares'), { train: examples(10), test: examples(45) });
  ({ sha256 } = await loadDigits(join(cwd, 'squares')));
}, 120_000);
afterAll(() => rm(cwd, { recursive: true, force: true }));

/** The demo of the run, if it had been trained on this data. */
async function preparedFor(data: Result['config']['data']) {
  const path = join(run, 'result.json');
  const result = JSON.parse(await readFile(path, 'utf8')) as Result;
  await writeFile(path, JSON.stringify({ ...result, config: { ...result.config, data } }));
  return await prepareDemo(run, catalogue);
}

describe('the samples of a demo', () => {
  it('are test images of the run’s own data, up to ten of each class', async () => {
    const { data } = await preparedFor({ source: join(cwd, 'squares'), sha256 });
    const { samples, noSamples } = data;
    expect(noSamples).toBeNull();
    expect(samples!.name).toBe('squares');
    // 45 images of the ten classes in turn
    expect(samples!.labels.filter((label) => label === 4)).toHaveLength(5);
    expect(samples!.labels.filter((label) => label === 5)).toHaveLength(4);
    const digits = digitsOf(samples);
    const { images } = examples(45);
    for (const { index, label, pixels } of digits) {
      expect(label).toBe(index % 10);
      expect(pixels[400]).toBe(Math.fround(images[784 * index + 400]! / 255));
    }
  });

  it('are MNIST’s where the data is MNIST by its hash, whatever its folder was called', async () => {
    const mnist = await loadDigits('mnist');
    const { data } = await preparedFor({ source: join(cwd, 'gone'), sha256: mnist.sha256 });
    expect(data.samples).toMatchObject({ name: 'mnist', classes: 10 });
    expect(data.samples!.indices).toHaveLength(100);
  });

  it.each([
    ['is gone', 'gone', 'The data set of this run, gone, was not found'],
    ['has changed', 'squares', 'The data set squares has changed since this run was trained'],
  ])('are none where the data %s, and the page is told why', async (_, name, reason) => {
    const { data, pictures } = await preparedFor({ source: join(cwd, name), sha256: '00' });
    expect(data).toMatchObject({ samples: null, first: null, favourites: {} });
    expect(data.noSamples).toContain(reason);
    expect(pictures).toBeNull();
  });
});

describe('the first result', () => {
  it('is what the models of the largest eps say of the first seven', async () => {
    const { data } = await preparedFor({ source: join(cwd, 'squares'), sha256 });
    const manifest = manifestOf(catalogue);
    const [series] = seriesOf(manifest);
    const digit = digitsOf(data.samples).find(({ index }) => index === data.first!.index)!;
    expect(digit.label).toBe(7);
    const choice = {
      source: { kind: 'digit', index: digit.index },
      pixels: digit.pixels,
      label: 7,
      method: 'generator',
      aim: null,
      eps: 0.3,
      clip: true,
      bits: null,
      weights: 'compact',
      series: series!.id,
      backend: null,
    } as const;
    const { clean, outcomes } = shippedResults(data.first, choice, lineUp(manifest, choice))!;
    const { attacked, linf, predictions } = outcomes.generator!;
    expect(linf).toBeLessThanOrEqual(0.3 + 1e-6);
    const says = async (image: Float32Array) => {
      const c2 = catalogue.cells[1]!.models.c2!.content as string;
      const model = await openModel(await readFile(c2), { device: 'cpu', threads: 1 });
      const { probabilities } = await model.run({ image: float32([1, 1, 28, 28], image) });
      await model.close();
      return probabilities!.data as Float32Array;
    };
    expect(clean!.predictions.c2!).toBeAllClose(await says(digit.pixels), { atol: 1e-6 });
    expect(predictions.c2!).toBeAllClose(await says(attacked), { atol: 1e-6 });
  });

  it('comes with how many samples each attacker turns into one class', async () => {
    const { data } = await preparedFor({ source: join(cwd, 'squares'), sha256 });
    expect(Object.keys(data.favourites)).toEqual(catalogue.cells.map(({ folder }) => folder));
    for (const { label, count, images } of Object.values(data.favourites)) {
      expect(images).toBe(45);
      // of ten classes one is named for at least a tenth of the images
      expect(count).toBeGreaterThanOrEqual(5);
      expect(label).toBeLessThan(10);
    }
  });

  it('is drawn for shared links', async () => {
    const { pictures } = await preparedFor({ source: join(cwd, 'squares'), sha256 });
    const { width, height, data } = PNG.sync.read(drawPreview(pictures!));
    expect([width, height]).toEqual([1200, 630]);
    const colours = new Set(Array.from({ length: width * height }, (_, i) => data.readUInt32BE(4 * i)));
    expect(colours.size).toBeGreaterThan(20);
  });
});

describe('the preview of a shared link', () => {
  const html =
    '<head>\n    <meta property="og:title" content="t" />\n    <meta property="og:image" content="preview.png" />\n    <meta property="og:image:width" content="1200" />\n    <title>t</title>\n</head>';

  it('has a full address where the page has one', () => {
    const page = describePage(html, { picture: true, url: 'https://example.org/a/' });
    expect(page).toContain('og:image" content="https://example.org/a/preview.png"');
    expect(page).toContain('og:url" content="https://example.org/a/"');
  });

  it('is left out where there is no picture', () => {
    expect(describePage(html, { picture: false, url: null })).toBe(
      '<head>\n    <meta property="og:title" content="t" />\n    <title>t</title>\n</head>',
    );
  });

  it('is refused an address that is none', async () => {
    const { code, stderr } = await sparring(['demo', '--url', 'example.org'], { cwd });
    expect([code, stderr]).toEqual([2, expect.stringContaining('It must begin with http:// or https://')]);
  });
});
