import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoFolder } from '../../src/cli/experiment/demo-folder.ts';
import { axeOn, chromiumPath, launch, looks, overflowOf, serveFolder } from '../support/browser.ts';
import { droppedModels, type Dropped } from '../support/dropped.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;
const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

let browser: Browser;
let site: Awaited<ReturnType<typeof serveFolder>>;
let page: Page;
let models: Awaited<ReturnType<typeof droppedModels>>;
/** Where the page has asked for anything. */
const asked = new Set<string>();

describe.skipIf(!chromiumPath)(`a model of one's own in Chromium${reason}`, () => {
  beforeAll(async () => {
    models = await droppedModels();
    site = await serveFolder(await demoFolder());
    browser = await launch();
    page = await browser.newPage();
    page.setDefaultTimeout(patience / 2);
    page.on('request', (request) => asked.add(new URL(request.url()).origin));
    await page.goto(`${site.url}#own`);
  }, patience);
  afterAll(async () => {
    await browser?.close();
    site?.close();
  }, patience);

  /** Drops a model with what belongs to it, and waits until it was attacked or something was rejected. */
  const dropped = async (files: readonly Dropped[]): Promise<void> => {
    await page.getByLabel(/^Open (?:other )?files/).setInputFiles([...files]);
    await page.getByText(files[0]!.name, { exact: true }).waitFor();
    await settled();
  };
  const settled = (): Promise<unknown> =>
    page.waitForFunction(
      () =>
        document.querySelector('main[aria-busy="false"] .problem') ??
        document.querySelector('main[aria-busy="false"] .badge'),
    );
  const choose = async (name: RegExp): Promise<void> => {
    await page.getByRole('radio', { name }).check();
    await settled();
  };
  const eps = async (value: number): Promise<void> => {
    await page.getByRole('slider', { name: /^eps/ }).fill(String(value));
    await settled();
  };
  const badge = (): Promise<string> => page.locator('.badge').innerText();
  const understood = (): Promise<string> => page.locator('.understood').innerText();

  it(
    'says that weights in another file are missing, and takes them when they come',
    async () => {
      const [model, data, digit] = models.external;
      await dropped([model, digit]);
      expect(await page.getByRole('alert').innerText()).toBe(
        'its weights lie in weights/means.onnx.data; drop that file here too',
      );
      expect(await page.locator('.headline').innerText()).toBe('This model could not be opened.');
      await page.getByLabel('Open other files').setInputFiles(data);
      await page.locator('.badge').waitFor();
      await settled();
      expect(await page.getByRole('alert').count()).toBe(0);
      expect(await understood()).toMatch(/weights in weights\/means\.onnx\.data/);
      expect(await page.locator('.headline').innerText()).toContain('“7”');
    },
    patience,
  );

  it(
    'attacks by every method of the list, each within eps, and finds the smallest that fools',
    async () => {
      await eps(80);
      for (const method of [/^Random noise/, /^FGSM/, /^PGD/, /^MI-FGSM/, /^APGD/, /^Square/]) {
        await choose(method);
        const text = await page.locator('.sub').first().innerText();
        const most = Number(/at most ([\d.]+)\/255/.exec(text)![1]);
        expect(most).toBeGreaterThan(0);
        expect(most).toBeLessThanOrEqual(80);
      }
      await choose(/^Random noise/);
      expect(await badge()).toBe('Not fooled');
      await choose(/^PGD/);
      expect(await badge()).toBe('Fooled');
      await page.getByRole('button', { name: 'Find the smallest eps' }).click();
      const found = page.getByText(/smallest change that was found to fool is/);
      const smallest = Number(/is ([\d.]+)\/255/.exec(await found.innerText())![1]);
      expect(smallest).toBeGreaterThan(1);
      expect(smallest).toBeLessThan(80);
      await eps(Math.floor(smallest) - 4);
      expect(await badge()).toBe('Not fooled');
    },
    patience,
  );

  it(
    'aims at a class that is chosen',
    async () => {
      await eps(80);
      await page.getByLabel('Make it look like').selectOption('3');
      await settled();
      expect(await page.locator('.headline').innerText()).toContain('it is “3”');
      await page.getByLabel('Make it look like').selectOption({ label: 'anything else' });
    },
    patience,
  );

  it(
    'takes colour images of other layouts, and says what it assumed',
    async () => {
      await dropped(models.nhwc);
      expect(await understood()).toMatch(/rows, columns, channels; rgb is assumed/);
      expect(await badge()).toBe('Fooled');
      await page.getByText('How the model wants its images').click();
      await page.getByLabel(/^Pixels/).selectOption('0..255');
      await page.getByText(/pixels 0\.\.255/).waitFor();
      await settled();
      await page.getByLabel('Mean').fill('one');
      await page.getByLabel('Mean').blur();
      await page.getByText('mean must be numbers, such as 0.485, 0.456, 0.406; got one').waitFor();
    },
    patience,
  );

  it(
    'takes images of 224x224 pixels, and the names of their classes',
    async () => {
      await dropped(models.large);
      expect(await understood()).toMatch(/224x224, 3 channels, 4 classes/);
      expect(await page.locator('.headline').innerText()).toMatch(/“(?:ant|bee|cat|dog)”/);
      expect(await badge()).toBe('Fooled');
    },
    patience,
  );

  it(
    'takes the softmax off a model that is dropped on the page',
    async () => {
      const files = models.softmax.map(({ name, mimeType, buffer }) => ({
        name,
        type: mimeType,
        bytes: [...buffer],
      }));
      const dataTransfer = await page.evaluateHandle((all) => {
        const data = new DataTransfer();
        for (const { name, type, bytes } of all) {
          data.items.add(new File([Uint8Array.from(bytes)], name, { type }));
        }
        return data;
      }, files);
      await page.dispatchEvent('body', 'drop', { dataTransfer });
      await page.getByText(files[0]!.name, { exact: true }).waitFor();
      await settled();
      expect(await understood()).toMatch(/probabilities of a softmax, which is taken off/);
      expect(await page.locator('.headline').innerText()).toContain('“7”');
    },
    patience,
  );

  it(
    'asks a model without a gradient for its answers only, and says why',
    async () => {
      await dropped(models.stepped);
      expect(await page.getByText(/cannot be differentiated, so only attacks/).innerText()).toMatch(
        /it ends at Sign/,
      );
      for (const method of [/^FGSM/, /^PGD/, /^MI-FGSM/, /^APGD/]) {
        expect(await page.getByRole('radio', { name: method }).isDisabled()).toBe(true);
      }
      expect(await page.getByRole('radio', { name: /^Square/ }).isChecked()).toBe(true);
    },
    patience,
  );

  it(
    'says in one line what is no model and what is no picture',
    async () => {
      const [, digit] = models.stepped;
      await dropped([{ ...digit, name: 'no.onnx', mimeType: '' }, digit]);
      expect(await page.getByRole('alert').innerText()).toBe(
        'the bytes are not an ONNX model, or are damaged; take the whole .onnx file of a classifier',
      );
      const [model] = models.softmax;
      await dropped([model, { name: 'no.png', mimeType: 'image/png', buffer: Buffer.from('no') }]);
      expect(await page.getByRole('alert').innerText()).toMatch(
        /^no\.png: This file is no picture that the browser can read/,
      );
    },
    patience,
  );

  it.each(looks)(
    'has no accessibility issue and no overflow at %d pixels, %s',
    async (width, colorScheme) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      const [model, , digit] = models.external;
      for (const files of [models.stepped, [model, digit]]) {
        await dropped(files);
        expect(await axeOn(page)).toEqual([]);
        expect(await overflowOf(page)).toBe(0);
      }
    },
    patience,
  );

  it('asks nobody but its own host', () => {
    expect([...asked].filter((origin) => origin !== 'null')).toEqual([new URL(site.url).origin]);
  });
});
