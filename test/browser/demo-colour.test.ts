import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PNG } from 'pngjs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoFolder } from '../../src/cli/experiment/demo-folder.ts';
import { classifierGradientModel } from '../../src/models/classifier/gradient.ts';
import { toBase64, type DemoData } from '../../src/runtime/experiment/demo-data.ts';
import { manifestOf, storedBytes, type Catalogue } from '../../src/server/index.ts';
import { chromiumPath, launch, serveFolder } from '../support/browser.ts';
import { colourCatalogue, colours } from '../support/colour-run.ts';

const patience = 240_000;
const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

let cwd: string;
let browser: Browser;
let site: Awaited<ReturnType<typeof serveFolder>>;

/** What the page saves, as far as these tests read it. */
interface Saved {
  readonly image: { readonly pixels: number[][][] };
  readonly attacks: readonly { readonly method: string; readonly linf: number }[];
  readonly before: Readonly<Record<string, { readonly probabilities: readonly number[] }>>;
}

describe.skipIf(!chromiumPath)(`the demo of a classifier of colour images${reason}`, () => {
  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'sparring-colour-'));
    await cp(await demoFolder(), cwd, { recursive: true });
    const made = colourCatalogue();
    const [cell] = made.cells;
    const gradient = storedBytes(
      classifierGradientModel(cell!.models.c1.content as Uint8Array, 'webgpu', 'gap'),
    );
    const catalogue: Catalogue = { ...made, cells: [{ ...cell!, models: { ...cell!.models, gradient } }] };
    const { server: _, ...manifest } = manifestOf(catalogue);
    for (const [name, { url }] of Object.entries(manifest.cells[0]!.models)) {
      const path = join(cwd, new URL(url, 'file:///').pathname);
      await mkdir(dirname(path), { recursive: true });
      const models = catalogue.cells[0]!.models;
      await writeFile(path, models[name as keyof typeof models]!.content);
    }
    const data: DemoData = {
      schema: 1,
      version: '1.2.3',
      repository: null,
      samples: {
        name: 'tiles',
        channels: 3,
        width: 5,
        height: 4,
        classes: 7,
        indices: [11],
        labels: [2],
        pixels: toBase64(Uint8Array.from(colours(), (value) => Math.round(255 * value))),
      },
      noSamples: null,
      first: null,
      favourites: {},
    };
    await writeFile(join(cwd, 'models.json'), JSON.stringify(manifest));
    await writeFile(join(cwd, 'demo.json'), JSON.stringify(data));
    site = await serveFolder(cwd);
    browser = await launch();
  }, patience);

  afterAll(async () => {
    await browser?.close();
    site?.close();
    await rm(cwd, { recursive: true, force: true });
  }, patience);

  const opened = async () => {
    const page = await browser.newPage();
    page.setDefaultTimeout(patience / 2);
    await page.goto(`${site.url}#backend=wasm`);
    await page.waitForSelector('main[aria-busy="false"]');
    const saved = async (): Promise<Saved> => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('button', { name: 'Save JSON' }).click(),
      ]);
      const chunks: Buffer[] = [];
      for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
      return JSON.parse(Buffer.concat(chunks).toString()) as Saved;
    };
    return { page, saved };
  };

  it(
    'attacks a sample by every method, and calls the classes by their names',
    async () => {
      const { page, saved } = await opened();
      const { image, attacks, before } = await saved();
      expect(Float32Array.from(image.pixels.flat(2))).toEqual(colours());
      expect(attacks.map(({ method }) => method)).toEqual([
        'attacker',
        'fgsm',
        'mi-fgsm',
        'pgd',
        'apgd',
        'square',
        'noise',
      ]);
      for (const { linf } of attacks) {
        expect(linf).toBeGreaterThan(0);
        expect(linf).toBeLessThanOrEqual(0.1 + 1e-6);
      }
      expect(before['c1']!.probabilities).toHaveLength(7);
      expect(await page.locator('.bars').first().textContent()).toContain('ant');
      expect(await page.getByLabel('True class').textContent()).toContain('gnu');
      await page.close();
    },
    patience,
  );

  it(
    'shows the picture in colour, with nothing to draw on',
    async () => {
      const { page } = await opened();
      expect(await page.getByRole('application').count()).toBe(0);
      expect(await page.getByRole('button', { name: 'Centre' }).count()).toBe(0);
      const shown = await page.locator('.original canvas').evaluate((canvas: HTMLCanvasElement) => ({
        size: [canvas.width, canvas.height],
        first: [...canvas.getContext('2d')!.getImageData(0, 0, 1, 1).data],
      }));
      const values = colours();
      const level = (channel: number): number => Math.round(255 * values[20 * channel]!);
      expect(shown).toEqual({ size: [5, 4], first: [level(0), level(1), level(2), 255] });
      await page.close();
    },
    patience,
  );

  it(
    'takes the middle of a picture that is opened',
    async () => {
      const { page, saved } = await opened();
      const png = new PNG({ width: 50, height: 80 });
      for (let i = 0; i < 50 * 80; i++) png.data.set([255, 102, 0, 255], 4 * i);
      await page
        .locator('input[type=file]')
        .setInputFiles({ name: 'orange.png', mimeType: 'image/png', buffer: PNG.sync.write(png) });
      await page.getByText('orange.png').waitFor();
      await page.waitForSelector('main[aria-busy="false"]');
      const [red, green, blue] = (await saved()).image.pixels;
      expect([red, green, blue].map((rows) => new Set(rows!.flat()))).toEqual(
        [1, 0.4, 0].map((value) => new Set([Math.fround(value)])),
      );
      await page.close();
    },
    patience,
  );
});
