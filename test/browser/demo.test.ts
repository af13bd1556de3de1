import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PNG } from 'pngjs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchAt } from '../../src/runtime/data/source.ts';
import { loadDigits, openModel, type Model, type StoredSource } from '../../src/runtime/index.ts';
import { axeOn, chromiumPath, launch, looks, overflowOf, serveFolder } from '../support/browser.ts';
import { sparring, start, type Command } from '../support/cli.ts';
import '../support/run.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;
const folder = 'consecutive-eps0.3-seed3';

/** What `Save JSON` writes, as far as it is read here. */
interface Saved {
  readonly image: {
    readonly source: { readonly index: number };
    readonly pixels: readonly (readonly number[])[];
  };
  readonly threat: { readonly eps: number; readonly clip: boolean; readonly bits: number | null };
  readonly engine: { readonly backend: string; readonly threads: number };
  readonly label: number;
  readonly before: Readonly<Record<string, { readonly probabilities: readonly number[] }>>;
  readonly attacks: readonly {
    readonly method: string;
    readonly linf: number;
    readonly gradientSteps: number;
    readonly perturbation: readonly (readonly number[])[];
    readonly attacked: readonly (readonly number[])[];
    readonly after: Readonly<Record<string, { readonly probabilities: readonly number[] }>>;
  }[];
}

let cwd: string;
let browser: Browser;
/** A page of the static demo that most tests share: opening one compiles 14 MB of WebAssembly. */
let shared: Page;
let site: { readonly url: string; readonly close: () => void };
/** What the host has besides, or in the place of files of the folder. */
const newer = new Map<string, Uint8Array>();
let server: Command;
let serverUrl: string;
let test: StoredSource;
let attacker: Model;
let classifier: Model;
/** Everything that pages wrote to the console or threw. */
const complaints: string[] = [];

const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

describe.skipIf(!chromiumPath)(`the demo in Chromium${reason}`, () => {
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'sparring-demo-'));
    const options =
      '--mode consecutive,alternating --device cpu --threads 1 --eps 0.3 --seed 3 --batch-size 20 --train-limit 240 --test-limit 100 --attacker-epochs 1';
    await succeeds(`train ${options} --out run`);
    await succeeds('demo --run run --out site');
    // no headers that isolate the page: a plain file host, and WASM with one thread
    site = await serveFolder(join(cwd, 'site'), newer);
    server = start('serve --run run --port 0 --workers 1 --log-level silent'.split(' '), { cwd });
    serverUrl = await addressOf(server);
    ({ test } = await loadDigits('mnist'));
    const models = await Promise.all(
      ['attacker', 'classifier-c1'].map(async (name) =>
        openModel(new Uint8Array(await readFile(join(cwd, 'run', folder, `${name}.onnx`))), {
          device: 'cpu',
          threads: 1,
        }),
      ),
    );
    [attacker, classifier] = models as [Model, Model];
    browser = await launch();
    shared = await open();
    await shared.goto(site.url);
  }, patience);

  afterAll(async () => {
    await browser?.close();
    site?.close();
    server?.process.kill('SIGTERM');
    await server?.finished;
    await attacker?.close();
    await classifier?.close();
    await rm(cwd, { recursive: true, force: true });
  }, patience);

  it(
    'attacks a digit when it opens, by every method and with noise, and asks nobody else: without a network nobody at all',
    async () => {
      const page = await open();
      const asked: string[] = [];
      page.on('request', (request) => asked.push(new URL(request.url()).origin));
      await page.goto(site.url);
      await settled(page);
      expect(new Set(asked.filter((origin) => origin !== 'null'))).toEqual(
        new Set([new URL(site.url).origin]),
      );
      const { engine, attacks, before: read } = await savedBy(page);
      expect(engine).toEqual({ backend: 'wasm', threads: 1 });
      expect(Object.keys(read)).toEqual(['c1', 'c2', 'alternating']);
      expect(attacks.map(({ method, gradientSteps }) => [method, gradientSteps])).toEqual([
        ['attacker', 0],
        ['fgsm', 1],
        ['mi-fgsm', 10],
        ['pgd', 40],
        ['apgd', expect.any(Number)],
        ['square', 0],
        ['noise', 0],
      ]);
      for (const { linf } of attacks) expect(linf).toBeLessThanOrEqual(0.3 + 1e-6);
      // iterated, the gradient does at least as well as once, and both do something
      const [before, fgsm, momentum, pgd] = await losses(page);
      expect(fgsm).toBeGreaterThan(before!);
      expect(momentum).toBeGreaterThan(before!);
      expect(pgd).toBeGreaterThan(before!);

      // the page, ONNX Runtime and each model
      await page.waitForFunction(async () => {
        if (!navigator.serviceWorker.controller) return false;
        const [name] = await caches.keys();
        const kept = (await (await caches.open(name!)).keys()).map(({ url }) => url);
        return ['wasm', 'attacker-compact', 'gradient', 'c1', 'c2', 'digits.bin'].every((part) =>
          kept.some((url) => url.includes(part)),
        );
      });
      await page.context().setOffline(true);
      await page.reload();
      await page
        .getByRole('radio', { name: /^3, test image/ })
        .first()
        .click();
      await settled(page);
      expect((await savedBy(page)).label).toBe(3);
      await page.context().setOffline(false);

      const html = await readFile(join(cwd, 'site/index.html'), 'utf8');
      newer.set('index.html', Buffer.from(html.replace('<title>', '<title>Newer: ')));
      await page.reload();
      expect(await page.title()).toMatch(/^Newer/);
      newer.clear();
      await page.close();
    },
    patience,
  );

  it(
    'keeps nothing of a server, and removes what a static page kept under its address',
    async () => {
      const context = await browser.newContext();
      const page = await context.newPage();
      page.setDefaultTimeout(patience);
      const before = await serveFolder(join(cwd, 'site'));
      await page.goto(before.url);
      await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
      const kept = () =>
        page.evaluate(async () => ({
          workers: (await navigator.serviceWorker.getRegistrations()).length,
          caches: (await caches.keys()).length,
        }));
      expect(await kept()).toEqual({ workers: 1, caches: 1 });
      // what a page that covers more addresses keeps is not this page's
      await page.evaluate(() => caches.open('of another page'));
      before.close();

      const { port } = new URL(before.url);
      const after = start(`serve --run run --port ${port} --workers 1 --log-level silent`.split(' '), {
        cwd,
      });
      try {
        await after.says('serves run');
        await page.goto(before.url);
        // before the test's own end, so that what is kept is shown
        await expect.poll(kept, { timeout: patience / 2 }).toEqual({ workers: 0, caches: 1 });
        await settled(page);
        await page.reload();
        await settled(page);
        expect(await kept()).toEqual({ workers: 0, caches: 1 });
      } finally {
        after.process.kill('SIGTERM');
        await after.finished;
        await context.close();
      }
    },
    patience,
  );

  it(
    'aims at a class that is chosen, and goes back to any',
    async () => {
      const page = await fresh();
      await page.getByLabel('Make it look like').selectOption('3');
      await settled(page);
      // what was trained aims at no class: PGD stands in for it
      expect(await page.getByRole('radio', { name: /^PGD-40/ }).isChecked()).toBe(true);
      const { attacks, label } = await savedBy(page);
      expect(attacks.map(({ method }) => method)).not.toContain('attacker');
      const of = (method: string) => attacks.find((one) => one.method === method)!.after['c1']!.probabilities;
      expect(of('pgd')[3]).toBeGreaterThan(of('noise')[3]!);
      const read = of('pgd').indexOf(Math.max(...of('pgd')));
      const badge = read === 3 ? 'Fooled' : read === label ? 'Not fooled' : 'Missed its aim';
      expect(await page.locator('.badge').innerText()).toBe(badge);
      await page.getByLabel('Make it look like').selectOption({ label: 'anything else' });
      await settled(page);
      expect((await savedBy(page)).attacks).toHaveLength(7);
    },
    patience,
  );

  it(
    'finds the smallest eps that fools',
    async () => {
      const page = await fresh();
      await page.getByRole('radio', { name: /^PGD-40/ }).check();
      await page.getByRole('button', { name: 'Find the smallest eps' }).click();
      const said = await page.getByText('The smallest that was found to fool is').innerText();
      const smallest = Number(/is ([\d.]+)\./.exec(said)![1]);
      expect(smallest).toBeGreaterThan(0);
      expect(smallest).toBeLessThan(0.3);
      await settled(page);
      expect((await savedBy(page)).threat.eps).toBeCloseTo(smallest, 3);
      expect(await page.locator('.badge').innerText()).toBe('Fooled');
    },
    patience,
  );

  it(
    'measures how attacks on each classifier of the run carry over to the others',
    async () => {
      const page = await fresh();
      // where attacks leave something: at 0.3 no classifier is right on more than an image or two
      await page.getByRole('slider', { name: /^eps/ }).fill('0.1');
      await page.getByRole('button', { name: 'Measure with MI-FGSM at eps 0.1' }).click();
      await page.locator('.transfer[aria-busy="false"]').waitFor();
      const rows = await page
        .locator('.matrix tbody tr')
        .evaluateAll((all) => all.map((row) => [...row.children].map(({ textContent }) => textContent)));
      expect(rows.map(([on]) => on)).toEqual([
        'No attack',
        'Random noise',
        'Target',
        'Bystander',
        'Trained sparring partner',
        'Bystander, alternating, eps 0.3, seed 3',
      ]);
      const share = (row: number, column: number): number => Number.parseFloat(rows[row]![column + 1]!);
      for (const own of [0, 1, 2, 3]) {
        expect(share(2 + own, own)).toBeLessThan(share(0, own));
        // nobody else's attack does better than the one on the classifier itself
        for (const other of [0, 1, 2, 3])
          expect(share(2 + own, own)).toBeLessThanOrEqual(share(2 + other, own));
      }
      expect(await axeOn(page)).toEqual([]);
    },
    patience,
  );

  it(
    'gives the perturbations of onnxruntime-node and of the server, for 100 test digits within 1e-4',
    async () => {
      const page = await open();
      await page.goto(`${serverUrl}#weights=full`);
      await settled(page);
      const saved = await savedOfAllDigits(page);
      const indices = saved.map(({ image }) => image.source.index);
      expect(new Set(indices).size).toBe(100);
      const { image } = batchAt(test, indices);
      const inNode = (await attacker.run({ image }))['perturbation']!;
      const inBrowser = Float32Array.from(saved.flatMap(({ attacks }) => attacks[0]!.perturbation.flat()));
      expect(inBrowser).toBeAllClose(inNode.data as Float32Array, { atol: 1e-4 });
      const byServer: number[] = [];
      for (let from = 0; from < 100; from += 50) {
        const body = JSON.stringify({ images: saved.slice(from, from + 50).map((one) => one.image.pixels) });
        const headers = { 'content-type': 'application/json' };
        const response = await fetch(new URL('attack', serverUrl), { method: 'POST', headers, body });
        const { results } = (await response.json()) as {
          readonly results: readonly { readonly perturbation: readonly (readonly number[])[] }[];
        };
        byServer.push(...results.flatMap(({ perturbation }) => perturbation.flat()));
      }
      expect(inBrowser).toBeAllClose(byServer, { atol: 1e-4 });

      await page.getByRole('button', { name: 'Ask the server instead' }).click();
      const answer = page.getByText(/differs from the browser’s by at most/);
      await answer.waitFor();
      const apart = Number(/most (\S+) in the perturbation/.exec((await answer.textContent())!)![1]);
      expect(apart).toBeLessThan(1e-4);
      await page.close();
    },
    patience,
  );

  it(
    'computes on WebGPU what onnxruntime-node computes',
    async () => {
      const page = await open();
      await page.goto(`${serverUrl}#weights=full&backend=webgpu`);
      await settled(page);
      const { engine, attacks, image, before } = await savedBy(page);
      expect(engine.backend).toBe('webgpu');
      const pixels = {
        dtype: 'float32',
        shape: [1, 1, 28, 28],
        data: Float32Array.from(image.pixels.flat()),
      } as const;
      const { perturbation } = await attacker.run({ image: pixels });
      const { probabilities } = await classifier.run({ image: pixels });
      expect(attacks[0]!.perturbation.flat()).toBeAllClose(perturbation!.data as Float32Array, {
        atol: 1e-4,
      });
      expect(before['c1']!.probabilities).toBeAllClose(probabilities!.data as Float32Array, { atol: 1e-4 });
      expect(attacks.map(({ method }) => method)).toEqual([
        'attacker',
        'fgsm',
        'mi-fgsm',
        'pgd',
        'apgd',
        'square',
        'noise',
      ]);

      await page.getByLabel('Computed here by').selectOption('wasm');
      await settled(page);
      const other = await savedBy(page);
      expect(other.engine).toEqual({ backend: 'wasm', threads: expect.any(Number) as number });
      expect(other.attacks[1]!.attacked.flat()).toBeAllClose(attacks[1]!.attacked.flat(), { atol: 1e-4 });
      await page.close();
    },
    patience,
  );

  it(
    'is drawn on with a pointer and with the keyboard',
    async () => {
      const page = await fresh();
      await page.getByRole('button', { name: 'Clear' }).click();
      const pad = page.getByRole('application');
      const { x, y, width } = (await pad.boundingBox())!;
      const at = (column: number, row: number): [number, number] => [
        x + (width * (column + 0.5)) / 28,
        y + (width * (row + 0.5)) / 28,
      ];
      await page.mouse.move(...at(14, 4));
      await page.mouse.down();
      await page.mouse.move(...at(14, 23), { steps: 6 });
      await page.mouse.up();
      await settled(page);
      const drawn = (await savedBy(page)).image.pixels;
      for (let row = 4; row <= 23; row++) expect(drawn[row]![14]).toBe(1);
      expect(drawn[14]![4]).toBe(0);

      await page.getByRole('button', { name: 'Clear' }).click();
      await pad.focus();
      await page.keyboard.press('Space');
      for (let i = 0; i < 5; i++) await page.keyboard.press('Shift+ArrowRight');
      for (let i = 0; i < 3; i++) await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Backspace');
      await settled(page);
      const typed = (await savedBy(page)).image.pixels;
      for (let column = 14; column <= 19; column++) expect(typed[14]![column]).toBe(1);
      expect(typed[14]![8]).toBe(0);
    },
    patience,
  );

  it(
    'says that it scales between trained eps, and keeps 8-bit pixels within eps',
    async () => {
      const page = await fresh();
      const whole = (await savedBy(page)).attacks[0]!.perturbation.flat();
      await page.getByRole('slider', { name: /^eps/ }).fill('0.15');
      await page.getByText('No attacker was trained for 0.15').waitFor();
      await settled(page);
      const half = await savedBy(page);
      expect(half.threat.eps).toBe(0.15);
      expect(half.attacks[0]!.perturbation.flat()).toBeAllClose(
        whole.map((p) => p / 2),
        { atol: 1e-6 },
      );
      await page.getByRole('switch', { name: /8-bit pixels/ }).check();
      await settled(page);
      const { attacks, threat } = await savedBy(page);
      expect(threat).toMatchObject({ bits: 8, clip: true });
      for (const { attacked, linf } of attacks) {
        expect(linf).toBeLessThanOrEqual(0.15 + 1e-6);
        expect(attacked.flat()).toBeAllClose(
          attacked.flat().map((pixel) => Math.round(255 * pixel) / 255),
          { atol: 1e-6 },
        );
      }
      await page.getByRole('switch', { name: /8-bit pixels/ }).uncheck();
      await page.getByRole('switch', { name: /Clip/ }).uncheck();
      await settled(page);
      expect(Math.min(...(await savedBy(page)).attacks[1]!.attacked.flat())).toBeLessThan(0);
    },
    patience,
  );

  it(
    'takes a picture from a file, and refuses what is none',
    async () => {
      const page = await fresh();
      const picture = new PNG({ width: 120, height: 160 });
      picture.data.fill(255);
      for (let y = 30; y < 130; y++) {
        for (let x = 50; x < 70; x++) picture.data.set([20, 20, 20, 255], 4 * (y * 120 + x));
      }
      const file = { name: 'one.png', mimeType: 'image/png', buffer: PNG.sync.write(picture) };
      await page.getByLabel('Open…').setInputFiles(file);
      await page.getByText('one.png').waitFor();
      await settled(page);
      const { pixels } = (await savedBy(page)).image;
      expect(pixels.map((row) => row[14]! > 0.5)).toEqual(
        Array.from({ length: 28 }, (_, row) => row >= 4 && row < 24),
      );
      await page.getByLabel('Open…').setInputFiles({ ...file, buffer: Buffer.from('no picture') });
      await page.getByText('This file is no picture that the browser can read').waitFor();
    },
    patience,
  );

  it(
    'saves a picture, and opens again as it was from its link',
    async () => {
      const page = await fresh();
      await page
        .getByRole('radio', { name: /^4, test image/ })
        .nth(2)
        .click();
      await page.getByRole('radio', { name: /^PGD-40/ }).check();
      await settled(page);
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Save picture' }).click(),
      ]);
      const figure = PNG.sync.read(await readFile(await download.path()));
      expect([figure.width, figure.height]).toEqual([1200, 944]);
      await page.getByRole('button', { name: 'Copy link' }).click();
      await page.getByText(/The link is in/).waitFor();
      const link = page.url();
      const one = await savedBy(page);
      await fresh();
      await page.evaluate((own) => {
        location.hash = own;
      }, new URL(link).hash);
      await page.getByText(/MNIST test image (?!0,)/).waitFor();
      await settled(page);
      const two = await savedBy(page);
      expect(two.image).toEqual(one.image);
      // the random start has a seed
      expect(two.attacks.find(({ method }) => method === 'pgd')!.attacked).toEqual(
        one.attacks.find(({ method }) => method === 'pgd')!.attacked,
      );
      expect(await page.getByRole('radio', { name: /^PGD-40/ }).isChecked()).toBe(true);
    },
    patience,
  );

  it(
    'follows a link even when the choice before it is written into the address at that moment',
    async () => {
      const page = await fresh();
      await page.evaluate(() => {
        const before = location.hash;
        location.hash = before.replace('digit=0', 'digit=3');
        history.replaceState(null, '', before);
      });
      await page.getByText('MNIST test image 3').waitFor();
      await page.waitForURL(/digit=3&/);
    },
    patience,
  );

  it(
    'keeps answering while it attacks',
    async () => {
      const page = await fresh();
      expect(page.workers()).toHaveLength(1);
      const ticks = await page.evaluate(async () => {
        const main = document.querySelector('main')!;
        const busy = (): boolean => main.getAttribute('aria-busy') === 'true';
        let count = 0;
        document.querySelector<HTMLElement>('.picker button:nth-child(42)')!.click();
        do {
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (busy()) count++;
        } while (busy());
        return count;
      });
      expect(ticks).toBeGreaterThan(0);
    },
    patience,
  );

  it(
    'opens the target of its run as a model of one’s own, and comes back to the digits as they were',
    async () => {
      const page = await fresh();
      await page
        .getByRole('radio', { name: /^5, test image/ })
        .first()
        .click();
      await settled(page);
      const before = await savedBy(page);
      await page.getByRole('link', { name: 'Your own model', exact: true }).click();
      await page.getByRole('button', { name: 'Take this page’s own' }).click();
      await page.locator('.badge').waitFor();
      expect(await page.getByLabel('Picture').locator('option').count()).toBe(10);
      expect(await page.locator('.understood').innerText()).toMatch(/28x28, grey, 10 classes/);
      await page.getByRole('link', { name: 'Fool a network' }).click();
      await settled(page);
      expect((await savedBy(page)).image).toEqual(before.image);
    },
    patience,
  );

  it.each(looks)(
    'has no accessibility issue and no overflow at %d pixels, %s',
    async (width, colorScheme) => {
      const page = await fresh();
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      expect(await axeOn(page)).toEqual([]);
      expect(await overflowOf(page)).toBe(0);
      await page.setViewportSize({ width: 1280, height: 844 });
    },
    patience,
  );

  it(
    'is used with the keyboard alone',
    async () => {
      const page = await fresh();
      const reached: string[] = [];
      for (let i = 0; i < 32; i++) {
        await page.keyboard.press('Tab');
        reached.push(
          await page.evaluate(() => {
            const own = document.activeElement as HTMLElement & { name?: string; value?: string };
            return own.getAttribute('aria-label') ?? own.id + (own.textContent || own.name || '');
          }),
        );
      }
      for (const name of [
        '7, test image 0',
        'Clear',
        'Eraser',
        'eps',
        'Original image',
        'method',
        'Save picture',
      ])
        expect(
          reached.some((text) => text.startsWith(name)),
          `${name} in ${reached.join(', ')}`,
        ).toBe(true);
      await page.getByRole('radio', { name: '7, test image 0' }).focus();
      await page.keyboard.press('ArrowDown');
      await settled(page);
      expect((await savedBy(page)).label).toBe(8);
      await page.getByRole('slider', { name: /^eps/ }).focus();
      await page.keyboard.press('Home');
      await settled(page);
      expect((await savedBy(page)).attacks.map(({ linf }) => linf)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    },
    patience,
  );

  it('is sent compressed where a browser takes it, and whole where not', async () => {
    const assets = await readdir(join(cwd, 'site/assets'));
    const names = assets.filter((name) => /\.(?:wasm|js|css)$/.test(name));
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      const [small, whole] = await Promise.all(
        ['gzip', 'identity'].map((encoding) =>
          fetch(new URL(`assets/${name}`, serverUrl), {
            method: name.endsWith('.wasm') ? 'HEAD' : 'GET',
            headers: { 'accept-encoding': encoding },
          }),
        ),
      );
      expect([name, small!.headers.get('content-encoding'), whole!.headers.get('content-encoding')]).toEqual([
        name,
        'gzip',
        null,
      ]);
      expect(await small!.text()).toBe(await whole!.text());
    }
  });

  it('leads on to the server’s interface, the models and the paper, and has a picture for links to it', async () => {
    const page = await open();
    await page.goto(serverUrl);
    await page.getByRole('link', { name: 'This server’s interface' }).waitFor();
    await page.getByText('J. Heidecke').waitFor();
    const links = await page
      .getByRole('link')
      .evaluateAll((all) => all.map((link) => (link as HTMLAnchorElement).href));
    expect(links.length).toBeGreaterThanOrEqual(3);
    const picture = await page.locator('meta[property="og:image"]').getAttribute('content');
    for (const link of [...links, picture!, 'favicon.ico']) {
      const response = await fetch(new URL(link, serverUrl));
      expect([link, response.status]).toEqual([link, 200]);
      await response.body?.cancel();
    }
    await page.close();
  });

  it('names no folder of the machine that built it', async () => {
    const root = fileURLToPath(new URL('../../', import.meta.url));
    const files = (await readdir(join(cwd, 'site'), { recursive: true })).filter((name) =>
      name.endsWith('.js'),
    );
    expect(files.length).toBeGreaterThan(1);
    for (const name of files) {
      const text = await readFile(join(cwd, 'site', name), 'utf8');
      expect({ name, told: text.includes(root) }).toEqual({ name, told: false });
    }
  });

  it('says in one line what is wrong when there is no run beside it', async () => {
    const empty = await serveFolder(
      join(cwd, 'site', 'assets'),
      new Map([['index.html', await readFile(join(cwd, 'site', 'index.html'))]]),
    );
    const page = await browser.newPage();
    await page.route('**/assets/*', async (route) => {
      const name = new URL(route.request().url()).pathname.split('/').at(-1)!;
      await route.fulfill({ path: join(cwd, 'site', 'assets', name) });
    });
    await page.goto(empty.url);
    await page.getByRole('alert').filter({ hasText: 'There is no models.json here (HTTP 404)' }).waitFor();
    await page.close();
    empty.close();
  });

  it('wrote nothing to the console', () => {
    expect(complaints).toEqual([]);
  });
});

/** Runs a command that must do its work. */
async function succeeds(command: string): Promise<void> {
  const { code, stderr } = await sparring(command.split(' '), { cwd });
  if (code !== 0) throw new Error(`sparring ${command} ended with ${code}: ${stderr}`);
}

/** A page whose complaints are kept. */
async function open(): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(patience);
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(error.message));
  return page;
}

/** The shared page as it is when it is opened. */
async function fresh(): Promise<Page> {
  // with a number, because an address that is there already changes nothing
  const hash = `#digit=0&attack=attacker&eps=0.3&clip=1&bits=32&weights=compact&time=${performance.now()}`;
  await shared.evaluate((own) => {
    location.hash = own;
  }, hash);
  await shared.getByText('MNIST test image 0').waitFor();
  await settled(shared);
  return shared;
}

const settled = async (page: Page): Promise<void> => {
  await page.waitForSelector('main[aria-busy="false"]');
};

/** What `Save JSON` writes. */
async function savedBy(page: Page): Promise<Saved> {
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Save JSON' }).click(),
  ]);
  return JSON.parse(await readFile(await download.path(), 'utf8')) as Saved;
}

/** Picks every digit, waits for its attacks and saves them; within the page, because a hundred downloads take long. */
async function savedOfAllDigits(page: Page): Promise<readonly Saved[]> {
  const texts = await page.evaluate(async () => {
    const blobs: Blob[] = [];
    URL.createObjectURL = (blob) => `#${blobs.push(blob as Blob)}`;
    HTMLAnchorElement.prototype.click = () => {};
    const main = document.querySelector('main')!;
    const save = [...document.querySelectorAll('button')].find((b) => b.textContent === 'Save JSON')!;
    const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));
    for (const digit of document.querySelectorAll<HTMLElement>('.picker button')) {
      digit.click();
      do await turn();
      while (main.getAttribute('aria-busy') === 'true' || save.disabled);
      save.click();
    }
    return await Promise.all(blobs.map((blob) => blob.text()));
  });
  return texts.map((text) => JSON.parse(text) as Saved);
}

/** C1's cross-entropy before, and after each attack that is computed here from gradients, then with noise. */
async function losses(page: Page): Promise<readonly number[]> {
  const { label, before, attacks } = await savedBy(page);
  const of = (said: Saved['before']): number => -Math.log(said['c1']!.probabilities[label]!);
  return [before, ...attacks.slice(1).map(({ after }) => after)].map(of);
}

/** Waits until the server says where it is. */
async function addressOf(command: Command): Promise<string> {
  let text = '';
  command.process.stderr!.on('data', (chunk: string) => (text += chunk));
  await command.says('serves run');
  return /http:\/\/\S+\//.exec(text)![0];
}
