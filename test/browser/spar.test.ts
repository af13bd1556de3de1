import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoFolder } from '../../src/cli/experiment/demo-folder.ts';
import { packDigits } from '../../src/cli/experiment/demo-spar.ts';
import { loadDigits } from '../../src/runtime/experiment/digits.ts';
import { axeOn, chromiumPath, launch, looks, overflowOf, serveFolder } from '../support/browser.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 300_000;
const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';

/** Minutes each on two cores. */
const slow = process.env['SPARRING_SLOW_TESTS'] === '1';
const why = slow ? '' : ' (skipped: it takes minutes; SPARRING_SLOW_TESTS=1 runs it)';

let browser: Browser;
let site: Awaited<ReturnType<typeof serveFolder>>;

describe.skipIf(!chromiumPath)(`live training in Chromium${reason}`, () => {
  beforeAll(async () => {
    const digits = packDigits(await loadDigits('mnist'))!;
    site = await serveFolder(await demoFolder(), new Map([['digits.bin', digits]]));
    browser = await launch();
  }, patience);
  afterAll(async () => {
    await browser?.close();
    site?.close();
  }, patience);

  const opened = async (hash: string): Promise<Page> => {
    const page = await browser.newPage();
    page.setDefaultTimeout(patience / 2);
    await page.goto(`${site.url}#${hash}`);
    return page;
  };
  /** What the chart says: the steps it shows, and accuracies in percent. */
  const chartOf = async (page: Page) => {
    const text = (await page.locator('.plot').getAttribute('aria-label'))!;
    const part = (name: string): number => Number(new RegExp(`${name}: ([\\d.]+) %`).exec(text)?.[1]);
    return {
      text,
      steps: Number(/after (\d+) steps/.exec(text)![1]),
      clean: part('target, clean'),
      attacked: part('target, attacked'),
    };
  };
  const measuredAt = (page: Page, steps: number): Promise<unknown> =>
    page.waitForFunction(
      (own) => document.querySelector('.plot')!.getAttribute('aria-label')!.includes(`after ${own} steps`),
      steps,
      { timeout: patience },
    );

  it.runIf(slow)(
    `fools the target on most digits at eps 0.16, offline, while the page goes on drawing frames${why}`,
    async () => {
      const page = await opened('spar&speed=fast&backend=wasm');
      await page.getByText('4,000 handwritten digits').waitFor();
      await page.context().setOffline(true);
      await page.getByRole('button', { name: 'Play' }).click();
      await measuredAt(page, 30);
      const frames = await page.evaluate(async () => {
        const times: number[] = [];
        let last = performance.now();
        for (let i = 0; i < 120; i++) {
          const now = await new Promise(requestAnimationFrame);
          times.push(now - last);
          last = now;
        }
        return times.sort((a, b) => a - b);
      });
      // half of them, because a busy machine delays some of any page; were the page to train, all would be late
      expect(frames[60]).toBeLessThan(50);
      await page.waitForFunction(
        () => {
          const text = document.querySelector('.plot')!.getAttribute('aria-label')!;
          return Number(/target, attacked: ([\d.]+) %/.exec(text)?.[1]) < 50;
        },
        undefined,
        { timeout: patience },
      );
      const { clean } = await chartOf(page);
      expect(clean).toBeGreaterThan(85);
      expect(await page.locator('.ten .read.wrong').count()).toBeGreaterThan(2);
      await page.close();
    },
    2 * patience,
  );

  it(
    'steps, pauses, and gives the same for the same seed',
    async () => {
      const run = async (): Promise<readonly string[]> => {
        const page = await opened('spar&seed=5&width=4&backend=wasm');
        const texts: string[] = [];
        for (const step of [1, 2]) {
          await page.getByRole('button', { name: 'Step' }).click();
          await measuredAt(page, step);
          texts.push((await chartOf(page)).text);
        }
        await page.close();
        return texts;
      };
      const first = await run();
      expect(first[0]).not.toBe(first[1]);
      expect(await run()).toEqual(first);
    },
    patience,
  );

  it(
    'computes on WASM where a processor stands in for a GPU, and says so',
    async () => {
      const page = await opened('spar&width=4');
      await page.getByText('WASM computes, which is faster on a processor').waitFor();
      await page.getByRole('button', { name: 'Step' }).click();
      await page.getByText(/on WASM/).waitFor();
      await page.close();
    },
    patience,
  );

  it(
    'trains on the WebGPU of a processor where the link asks for it: with fewer digits, and says so',
    async () => {
      const page = await opened('spar&backend=webgpu&width=4');
      await page.getByText('the processor does its work').waitFor();
      await page.getByRole('button', { name: 'Step' }).click();
      await measuredAt(page, 1);
      await page.getByText(/on WebGPU/).waitFor();
      await page.getByText('right, of 40 that no network learns from').waitFor();
      await page.close();
    },
    patience,
  );

  it(
    'keeps what is chosen in its link, and hides what the link says',
    async () => {
      const page = await opened('spar&hide=width,seed');
      await page.getByLabel('The target').selectOption('alternating');
      await page.getByLabel('Learning rate').selectOption('0.002');
      await page.getByRole('slider', { name: /^eps/ }).fill('0.08');
      await page.waitForFunction(() => location.hash.includes('eps=0.08'));
      const other = await opened(new URL(page.url()).hash.slice(1));
      expect(await other.getByLabel('The target').inputValue()).toBe('alternating');
      expect(await other.getByLabel('Learning rate').inputValue()).toBe('0.002');
      expect(await other.getByRole('slider', { name: /^eps/ }).inputValue()).toBe('0.08');
      expect(await other.getByLabel('Seed').count()).toBe(0);
      expect(await other.getByLabel('Attacker’s width').count()).toBe(0);
      // a link is followed even when the settings before it are written into the address at that moment
      await other.evaluate(() => {
        const before = location.hash;
        location.hash = before.replace('eps=0.08', 'eps=0.24');
        history.replaceState(null, '', before);
      });
      await other.waitForFunction(() => location.hash.includes('eps=0.24'));
      expect(await other.getByRole('slider', { name: /^eps/ }).inputValue()).toBe('0.24');
      await page.close();
      await other.close();
    },
    patience,
  );

  it(
    'says what is missing where the page came without digits',
    async () => {
      const bare = await serveFolder(await demoFolder());
      const page = await browser.newPage();
      await page.goto(`${bare.url}#spar`);
      const problem = page.getByRole('alert');
      await problem.waitFor({ timeout: patience / 2 });
      expect(await problem.innerText()).toMatch(/There is no digits\.bin beside this page/);
      await page.close();
      bare.close();
    },
    patience,
  );

  it.each(looks)(
    'has no accessibility issue and no overflow at %d pixels, %s',
    async (width, colorScheme) => {
      const page = await opened('spar&backend=wasm');
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      await page.getByRole('button', { name: 'Step' }).click();
      await measuredAt(page, 1);
      expect(await axeOn(page)).toEqual([]);
      expect(await overflowOf(page)).toBe(0);
      await page.close();
    },
    patience,
  );
});
