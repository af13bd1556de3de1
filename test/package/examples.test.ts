import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { audit, openClassifier, openImages, type ImageSource } from '../../src/index.ts';
import { chromiumPath, launch, serveFolder } from '../support/browser.ts';
import { fileOf } from '../support/classifiers.ts';
import { digits, nearestMean, type Digits } from '../support/examples.ts';
import { buildPackage, root } from '../support/package.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;
/** The examples, in a folder where the built package is installed. */
let folder: string;
let classifier: Uint8Array;
let some: Digits;

/** What an audit says in this process. */
async function accuracies(images: Digits | ImageSource, eps: number) {
  const opened = await openClassifier(classifier, { threads: 1 });
  try {
    const { clean, attacks } = await audit(opened, images, { eps, attacks: ['pgd'], curve: [] });
    return { clean: clean.accuracy, pgd: attacks['pgd']!.accuracy };
  } finally {
    await opened.close();
  }
}

/** Builds a page as vite does on the command line; gives the modules in it, and what stands for those that it has not. */
async function built(page: string): Promise<readonly string[]> {
  const { output } = (await build({ root: page, logLevel: 'error' })) as Rolldown.RolldownOutput;
  return output.flatMap((each) => (each.type === 'chunk' ? each.moduleIds : []));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-examples-'));
  await cp(join(root, 'examples'), folder, { recursive: true });
  await buildPackage(join(folder, 'node_modules', 'sparring'));
  const { known, test: shown } = await digits(200);
  some = shown;
  classifier = fileOf(nearestMean(known));
  await writeFile(join(folder, 'classifier.onnx'), classifier);
}, patience);
afterAll(() => rm(folder, { recursive: true }));

describe('the example for Node', () => {
  test('prints the accuracy of a classifier under PGD, and its robust accuracy', async () => {
    const args = [join('node', 'robust-accuracy.js'), 'classifier.onnx'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd: folder });
    expect(stderr).not.toMatch(/Error|undefined/);
    const printed = /^accuracy under PGD: (\d+\.\d) %\nrobust accuracy: (\d+\.\d) %\n$/.exec(stdout);
    const drawn = await openImages('mnist', {
      shape: { channels: 1, height: 28, width: 28 },
      classes: 10,
      count: 200,
      seed: 1,
    });
    const { pgd } = await accuracies(drawn, 0.16);
    // an image at the edge may go either way with another number of threads
    expect(Math.abs(Number(printed![1]) - 100 * pgd)).toBeLessThanOrEqual(0.5);
    expect(pgd).toBeLessThan(0.5);
    expect(Number(printed![2])).toBeLessThanOrEqual(Number(printed![1]));
  });

  test('is the one that the README shows', async () => {
    const [example, readme] = await Promise.all(
      ['examples/node/robust-accuracy.js', 'README.md'].map((name) => readFile(join(root, name), 'utf8')),
    );
    const code = example!.split('\n').filter((line) => !line.startsWith('//'));
    expect(readme).toContain(`\n\`\`\`js\n${code.join('\n')}\`\`\`\n`);
  });
});

const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

describe.skipIf(!chromiumPath)(`the example for a browser${reason}`, () => {
  const few = 60;
  let browser: Browser;
  let page: Page;
  let server: { readonly url: string; readonly close: () => void };
  const complaints: string[] = [];
  let modules: readonly string[];

  beforeAll(async () => {
    const example = join(folder, 'vite');
    await mkdir(join(example, 'public'));
    await writeFile(join(example, 'public', 'classifier.onnx'), classifier);
    const { images, labels } = some;
    const shown = { images: [...images.subarray(0, few * 784)], labels: [...labels.subarray(0, few)] };
    await writeFile(join(example, 'public', 'images.json'), JSON.stringify(shown));
    modules = await built(example);
    server = await serveFolder(join(example, 'dist'));
    browser = await launch();
    page = await browser.newPage();
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
  }, patience);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const ofNode = (ids: readonly string[]) => ids.filter((id) => /node:|browser-external/.test(id));
  const output = (): Promise<string> => page.locator('output').innerText();
  const shows = (text: string): Promise<unknown> =>
    page.waitForFunction((part) => document.querySelector('output')!.value.includes(part), text, {
      timeout: patience / 4,
    });

  test('is built of the package without a module of Node', () => {
    expect(ofNode(modules)).toEqual([]);
    expect(modules.filter((id) => /sparring.dist.browser\.js$/.test(id))).toHaveLength(1);
  });

  test(
    'attacks a classifier in Chromium, with the figures of Node',
    async () => {
      await page.goto(server.url);
      await shows('under PGD');
      expect(complaints).toEqual([]);
      const [clean, pgd] = (await output()).match(/\d+\.\d/g)!.map(Number);
      const expected = await accuracies(
        { images: some.images.subarray(0, few * 784), labels: some.labels.subarray(0, few) },
        0.1,
      );
      // to the image: 100 / 60 is 1.7
      expect(Math.abs(clean! - 100 * expected.clean)).toBeLessThan(2);
      expect(Math.abs(pgd! - 100 * expected.pgd)).toBeLessThan(2);
      expect(pgd!).toBeLessThan(clean! - 10);
    },
    patience,
  );

  /** What a page of one script, built with vite, sets its title to. */
  async function titleOf(name: string, script: string, files: Readonly<Record<string, Uint8Array>> = {}) {
    const own = join(folder, name);
    await mkdir(own);
    await writeFile(join(own, 'index.html'), '<script type="module" src="./main.js"></script>');
    await copyFile(join(folder, 'vite', 'vite.config.js'), join(own, 'vite.config.js'));
    await writeFile(
      join(own, 'main.js'),
      `try { document.title = await (async () => { const m = await import('./work.js'); return m.title(); })(); }
       catch (error) { document.title = error.message; }`,
    );
    await writeFile(join(own, 'work.js'), script);
    expect(ofNode(await built(own))).toEqual([]);
    const served = await serveFolder(join(own, 'dist'), new Map(Object.entries(files)));
    const other = await browser.newPage();
    try {
      await other.goto(served.url);
      await other.waitForFunction(() => document.title !== '', null, { timeout: patience / 2 });
      return await other.title();
    } finally {
      served.close();
      await other.close();
    }
  }

  test(
    'may import builder, onnx and runtime too',
    async () => {
      const title = await titleOf(
        'all',
        `import { grad, input, lower, mul, reduceSum } from 'sparring/builder';
         import { encode } from 'sparring/onnx';
         import { openModel } from 'sparring/runtime';
         export async function title() {
           const x = input('x', 'float32', [3]);
           const [dx] = grad(reduceSum(mul(x, x)), [x]);
           const bytes = encode(lower({ name: 'squares', inputs: [x], outputs: { dx } }, 'cpu'));
           const model = await openModel(bytes, { device: 'cpu', threads: 1 });
           const outputs = await model.run({ x: { dtype: 'float32', shape: [3], data: Float32Array.of(1, 2, 3) } });
           return outputs.dx.data.join();
         }`,
      );
      expect(title).toBe('2,4,6');
    },
    patience,
  );

  test.for(['cpu', 'webgpu'] as const)(
    'attacks two classifiers at once on %s, with the figures of Node',
    { timeout: patience },
    async (device) => {
      const few: Digits = { images: some.images.subarray(0, 20 * 784), labels: some.labels.subarray(0, 20) };
      const shown = JSON.stringify({ images: [...few.images], labels: [...few.labels] });
      const title = await titleOf(
        device,
        `import { audit, openClassifier } from 'sparring';
         const { images, labels } = ${shown};
         export async function title() {
           const measure = async () => {
             const classifier = await openClassifier('classifier.onnx', { device: '${device}' });
             const examples = { images: Float32Array.from(images), labels };
             const { attacks } = await audit(classifier, examples, { eps: 0.05, attacks: ['pgd'], curve: [] });
             await classifier.close();
             return attacks.pgd.accuracy;
           };
           return (await Promise.all([measure(), measure()])).join();
         }`,
        { 'classifier.onnx': classifier },
      );
      const { pgd } = await accuracies(few, 0.05);
      expect(pgd).toBeGreaterThan(0);
      const [first, second] = title.split(',').map(Number);
      expect(second).toBe(first);
      // an image of 20 at the edge may go either way
      expect(Math.abs(first! - pgd)).toBeLessThan(0.06);
    },
  );

  test(
    'stops at the click of a button while it attacks',
    async () => {
      // enough for some seconds of work
      const shown = { images: [...some.images], labels: [...some.labels] };
      const many = Object.entries(shown).map(([name, part]) => [name, Array(10).fill(part).flat()] as const);
      await page.route('**/images.json', (route) => route.fulfill({ json: Object.fromEntries(many) }));
      await page.goto(server.url);
      // progress is shown while the page's only thread computes
      await shows('images');
      await page.getByRole('button', { name: 'Stop' }).click();
      await shows('abort');
    },
    patience,
  );
});
