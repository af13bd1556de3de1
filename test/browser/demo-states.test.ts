import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PNG } from 'pngjs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadDigits, type Result } from '../../src/runtime/index.ts';
import { axeOn, chromiumPath, overflowOf, serveFolder } from '../support/browser.ts';
import { sparring } from '../support/cli.ts';
import '../support/run.ts';
import { untrainedRun } from '../support/server.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;

let cwd: string;
/** Without WebGPU: its adapters are simulated where a test needs one, and workers find none. */
let browser: Browser;
let site: { readonly url: string; readonly close: () => void };
/** A demo whose data was not there when it was made. */
let bare: { readonly url: string; readonly close: () => void };

const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

describe.skipIf(!chromiumPath)(`the states of the demo${reason}`, () => {
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'sparring-states-'));
    await untrainedRun(join(cwd, 'run'), [{ eps: 0.3, clip: true }]);
    const { sha256 } = await loadDigits('mnist');
    await madeFrom({ source: 'mnist', sha256 }, 'site');
    await madeFrom({ source: '/data/shoes', sha256: '00' }, 'bare');
    site = await serveFolder(join(cwd, 'site'));
    bare = await serveFolder(join(cwd, 'bare'));
    browser = await chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] });
  }, patience);

  afterAll(async () => {
    await browser?.close();
    site?.close();
    bare?.close();
    await rm(cwd, { recursive: true, force: true });
  }, patience);

  describe('while loading', () => {
    it(
      'shows the result that came with the page at once, and says so',
      async () => {
        const page = await opened(site.url, { held: '**/*.wasm' });
        await page.getByText(/This was computed in advance/).waitFor();
        expect(await page.getByText(/A 7/).count()).toBe(1);
        expect(await page.locator('.bars .outcome').count()).toBe(2);
        // what was not computed in advance is not there
        expect(await page.getByRole('row', { name: /^PGD-40/ }).textContent()).toContain('…');
        expect(await page.getByRole('button', { name: 'Save JSON' }).isDisabled()).toBe(true);
        expect(await axeOn(page)).toEqual([]);
        await page.context().close();
      },
      patience,
    );

    it(
      'says nothing of a picture for which nothing was computed, and counts every byte',
      async () => {
        const page = await opened(`${site.url}#digit=1`, { held: '**/*.wasm' });
        await page.getByText('The networks are on their way').waitFor();
        await silent(page);
        const { cells } = JSON.parse(await readFile(join(cwd, 'site/models.json'), 'utf8')) as {
          readonly cells: readonly {
            readonly models: Readonly<Record<string, { readonly bytes: number }>>;
          }[];
        };
        const { c1, c2, gradient, attackerCompact } = cells[0]!.models;
        const runtime = new URL('../../node_modules/onnxruntime-web/dist/', import.meta.url);
        const { size } = await stat(new URL('ort-wasm-simd-threaded.wasm', runtime));
        const all = size + c1!.bytes + c2!.bytes + gradient!.bytes + attackerCompact!.bytes;
        const progress = page.getByRole('progressbar');
        expect(Number(await progress.getAttribute('max'))).toBe(all);
        await page.getByText(`of ${(all / 1e6).toFixed(1)} MB`).waitFor();
        expect(await axeOn(page)).toEqual([]);
        await page.context().close();
      },
      patience,
    );

    it(
      'computes the gradient attacks while the attacker is on its way, and takes the next picture meanwhile',
      async () => {
        const page = await opened(`${site.url}#digit=1&attack=fgsm`, { held: '**/attacker-compact.onnx*' });
        await page.getByRole('row', { name: /^PGD-40.*ms/ }).waitFor();
        await page.getByRole('row', { name: /^Random noise.*ms/ }).waitFor();
        expect(await page.getByRole('row', { name: /^Attacker/ }).textContent()).toContain('…');
        await page.locator('.picker button').nth(33).click();
        await page.getByText(/^A 3/).waitFor();
        await page.context().close();
      },
      patience,
    );
  });

  describe('after a failure', () => {
    it.each([
      ['ONNX Runtime', '**/*.wasm', 'Loading failed: ort-wasm-simd-threaded'],
      ['a classifier', '**/classifier-c2.onnx*', 'An attack failed: classifier-c2.onnx cannot be fetched'],
    ])(
      'of %s, says so and nothing of the picture, and loads it on the second try',
      async (_, file, message) => {
        const page = await opened(`${site.url}#digit=1`, { fails: file });
        await page.getByRole('alert').filter({ hasText: message }).waitFor();
        await silent(page);
        expect(await axeOn(page)).toEqual([]);
        await page.evaluate(() => Object.assign(window, { sameDocument: true }));
        await page.context().unrouteAll();
        await page.getByRole('button', { name: 'Try again' }).click();
        await settled(page);
        expect(await page.getByRole('alert').count()).toBe(0);
        expect(await page.locator('.bars .outcome').count()).toBe(2);
        expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);
        await page.context().close();
      },
      patience,
    );

    it(
      'of the attacker alone, keeps what the other attacks gave',
      async () => {
        const page = await opened(`${site.url}#digit=1`, { fails: '**/attacker-compact.onnx*' });
        await page.getByText('The attack failed.').waitFor();
        expect(await page.getByRole('row', { name: /^PGD-40/ }).textContent()).toContain('ms');
        await page.context().unrouteAll();
        await page.getByRole('button', { name: 'Try again' }).click();
        await settled(page);
        await page.getByRole('row', { name: /^Attacker.*ms/ }).waitFor();
        await page.context().close();
      },
      patience,
    );

    it(
      'of the list of models, starts on the second try',
      async () => {
        const page = await opened(site.url, { fails: '**/models.json' });
        await page.getByRole('alert').filter({ hasText: 'models.json cannot be fetched' }).waitFor();
        await page.context().unrouteAll();
        await page.getByRole('button', { name: 'Try again' }).click();
        await settled(page);
        await page.context().close();
      },
      patience,
    );

    it(
      'of the transfer matrix, measures it on the second try',
      async () => {
        const page = await opened(`${site.url}#digit=1`);
        await settled(page);
        await page.context().route('**/classifier-c2.onnx*', (route) => route.abort());
        const measure = page.getByRole('button', { name: 'Measure with MI-FGSM at eps 0.3' });
        await measure.click();
        await page.getByRole('alert').filter({ hasText: 'classifier-c2.onnx cannot be fetched' }).waitFor();
        expect(await page.locator('.matrix td').filter({ hasText: '%' }).count()).toBe(0);
        expect(await axeOn(page)).toEqual([]);
        await page.context().unrouteAll();
        await measure.click();
        await page.locator('.transfer[aria-busy="false"]').waitFor();
        expect(await page.getByRole('alert').count()).toBe(0);
        // no attack, noise, and attacks on two classifiers, each judged by both
        expect(await page.locator('.matrix td').filter({ hasText: '%' }).count()).toBe(8);
        await page.context().close();
      },
      patience,
    );

    it('says from a file on a disk why it does not start', async () => {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(join(cwd, 'site/index.html')).href);
      await page.getByText('Sparring cannot start here').waitFor();
      await page.close();
    });
  });

  it.each([
    [
      'gives no device to a worker',
      '{ info: {}, requestDevice: async () => ({ destroy() {} }) }',
      'WebGPU does not work here',
    ],
    ['has adapters that say nothing of themselves', '{}', 'WebGPU does not work here'],
    ['never answers', 'new Promise(() => {})', 'The browser did not answer when asked for WebGPU'],
  ])(
    'computes on WASM, and says so, where a browser with WebGPU %s',
    async (_, adapter, note) => {
      const script = `Object.defineProperty(navigator, 'gpu', { configurable: true, value: { requestAdapter: async () => (${adapter}) } })`;
      const page = await opened(`${site.url}#digit=1`, { script });
      await page.getByText(note).waitFor();
      await settled(page);
      expect(await page.locator('.bars .outcome').count()).toBe(2);
      expect(await page.getByLabel('Computed here by').textContent()).toContain('WASM, 1 thread (chosen)');
      await page.context().close();
    },
    patience,
  );

  it(
    'computes on WASM, and says so, where a link asks for a WebGPU that is not there',
    async () => {
      const page = await opened(`${site.url}#digit=1&backend=webgpu`);
      await page.getByText(/WASM computes instead/).waitFor();
      await settled(page);
      // the backend of a link is not handed on
      await page.getByRole('button', { name: 'Copy link' }).click();
      await page.getByText(/The link is in/).waitFor();
      expect(page.url()).not.toContain('backend');
      await page.getByLabel('Computed here by').selectOption('wasm');
      await page.getByRole('button', { name: 'Copy link' }).click();
      await page.waitForURL(/backend=wasm/);
      await page.context().close();
    },
    patience,
  );

  it(
    'asks for a drawing where there is none, takes strokes back one by one, and picks at random',
    async () => {
      const page = await opened(site.url);
      await settled(page);
      const place = await page.getByRole('application').boundingBox();
      await page.getByRole('button', { name: 'Clear' }).click();
      await page.getByText('Draw a digit.').waitFor();
      // or a stroke would end elsewhere than it began
      expect(await page.getByRole('application').boundingBox()).toEqual(place);
      await silent(page);
      expect(await axeOn(page)).toEqual([]);
      await page.getByRole('application').focus();
      await page.keyboard.press('Space');
      await settled(page);
      expect(await page.getByText('Draw a digit.').count()).toBe(0);
      await page.getByRole('button', { name: 'Undo' }).click();
      await page.getByText('Draw a digit.').waitFor();
      await page.getByRole('button', { name: 'Undo' }).click();
      await page.getByText('MNIST test image 0').waitFor();
      expect(await page.getByRole('button', { name: 'Undo' }).isDisabled()).toBe(true);
      await page.getByRole('button', { name: 'Random' }).click();
      await page.getByText(/MNIST test image (?!0,)/).waitFor();
      await page.context().close();
    },
    patience,
  );

  it(
    'reads a picture with black ink on transparent ground',
    async () => {
      const page = await opened(site.url);
      await settled(page);
      const picture = new PNG({ width: 100, height: 100 });
      for (let y = 20; y < 80; y++) {
        for (let x = 45; x < 55; x++) picture.data.set([0, 0, 0, 255], 4 * (y * 100 + x));
      }
      const file = { name: 'ink.png', mimeType: 'image/png', buffer: PNG.sync.write(picture) };
      await page.getByLabel('Open…').setInputFiles(file);
      await page.getByText('ink.png').waitFor();
      expect(await page.getByText('Draw a digit.').count()).toBe(0);
      expect(await brightness(page)).toBeGreaterThan(20);
      await page.context().close();
    },
    patience,
  );

  it(
    'offers no samples of other data than the run’s, and says why',
    async () => {
      const page = await opened(bare.url);
      await page.getByText('Draw an image.').waitFor();
      expect(await page.locator('.picker').count()).toBe(0);
      expect(await page.getByText('The data set of this run, shoes, was not found').count()).toBeGreaterThan(
        0,
      );
      expect(await page.getByRole('button', { name: 'Random' }).count()).toBe(0);
      await silent(page);
      await page.getByRole('application').focus();
      await page.keyboard.press('Space');
      await settled(page);
      await page.getByText(/^Class \d/).waitFor();
      expect(await axeOn(page)).toEqual([]);
      await page.context().close();
    },
    patience,
  );

  describe('on a phone', () => {
    const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

    it(
      'scrolls under a finger on the picture, and draws only when asked to',
      async () => {
        const page = await opened(site.url, { context: phone });
        await settled(page);
        const before = await brightness(page);
        await swipe(page);
        expect(await page.evaluate(() => scrollY)).toBeGreaterThan(50);
        expect(await brightness(page)).toBe(before);
        await page.evaluate(() => scrollTo(0, 0));
        await page.getByRole('button', { name: 'Draw' }).click();
        await standing(page);
        const stood = await page.evaluate(() => scrollY);
        await swipe(page);
        expect(await page.evaluate(() => scrollY)).toBe(stood);
        expect(await brightness(page)).toBeGreaterThan(before);
        await page.context().close();
      },
      patience,
    );

    it(
      'puts the picture first, then what is done with it, digits, attack and answers',
      async () => {
        const page = await opened(site.url, { context: { ...phone, viewport: { width: 320, height: 640 } } });
        await settled(page);
        const tops = await page.evaluate(() =>
          ['.panels', '.strip', '.picker', '.eps', '.charts', '.comparison'].map(
            (part) => document.querySelector(part)!.getBoundingClientRect().top,
          ),
        );
        expect(tops).toEqual(tops.toSorted((a, b) => a - b));
        await page.getByText('tap Draw to draw on it').waitFor();
        expect(await page.getByText('drop a picture').isVisible()).toBe(false);
        expect(await overflowOf(page)).toBe(0);
        await page.context().close();
      },
      patience,
    );
  });
});

/** Writes the demo of the run, as if it had been trained on this data, into a folder. */
async function madeFrom(data: Result['config']['data'], out: string): Promise<void> {
  const path = join(cwd, 'run/result.json');
  const result = JSON.parse(await readFile(path, 'utf8')) as Result;
  await writeFile(path, JSON.stringify({ ...result, config: { ...result.config, data } }));
  const { code, stderr } = await sparring(['demo', '--run', 'run', '--out', out], { cwd });
  if (code !== 0) throw new Error(`sparring demo ended with ${code}: ${stderr}`);
}

/**
 * Opens a page of its own.
 *
 * @param held files that never arrive.
 * @param fails files that cannot be had.
 * @param script runs in the page before its own.
 */
async function opened(
  url: string,
  {
    held,
    fails,
    script,
    context = {},
  }: {
    readonly held?: string;
    readonly fails?: string;
    readonly script?: string;
    readonly context?: BrowserContextOptions;
  } = {},
): Promise<Page> {
  // what a service worker answers is out of reach of the routes of these tests
  const page = await (await browser.newContext({ ...context, serviceWorkers: 'block' })).newPage();
  page.setDefaultTimeout(patience / 2);
  if (script) await page.addInitScript(script);
  if (held) await page.context().route(held, () => {});
  if (fails) await page.context().route(fails, (route) => route.abort());
  await page.goto(url);
  return page;
}

const settled = async (page: Page): Promise<void> => {
  await page.waitForSelector('main[aria-busy="false"]');
};

/** That a page says nothing of how any attack ended. */
async function silent(page: Page): Promise<void> {
  expect(await page.locator('.badge:not(.waiting)').count()).toBe(0);
  expect(await page.locator('.outcome').count()).toBe(0);
  expect(await page.locator('td.fooled, td.held, td.wrong-already').count()).toBe(0);
  const said = await page
    .locator('.bars svg')
    .evaluateAll((all) => all.map((one) => one.ariaLabel ?? one.getAttribute('aria-label')));
  for (const text of said) expect(text).toContain('not computed yet');
}

/** The sum of the pixels of the original, each in 0..1. */
const brightness = (page: Page): Promise<number> =>
  page.locator('.pad canvas').evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, i) => sum + (i % 4 === 0 ? value / 255 : 0), 0);
  });

/** Moves a finger up over the picture. */
async function swipe(page: Page): Promise<void> {
  const { x, y, width, height } = (await page.getByRole('application').boundingBox())!;
  const client = await page.context().newCDPSession(page);
  const at = (part: number) => ({ x: x + 0.15 * width, y: y + part * height });
  await client.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [at(0.9)] });
  for (let part = 0.85; part > 0.1; part -= 0.05) {
    await client.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [at(part)] });
  }
  await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await standing(page);
}

/** Waits until the page has stood still for a while: a fling goes on after the finger has left. */
async function standing(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const seen = globalThis as { stood?: { at: number; since: number } };
    const now = performance.now();
    if (seen.stood?.at !== scrollY) seen.stood = { at: scrollY, since: now };
    return now - seen.stood.since > 500;
  });
}
