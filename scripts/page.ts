// Watches live training in Chromium as a visitor sees it: from a static file server, and without a network once the page is
// there. Prints how fast the target falls, and for how long the page ever stood still.
import { loadavg } from 'node:os';
import { Command } from '@commander-js/extra-typings';
import type { Browser, Page } from 'playwright-core';
import { demoFolder } from '../src/cli/experiment/demo-folder.ts';
import { packDigits } from '../src/cli/experiment/demo-spar.ts';
import { count } from '../src/cli/options.ts';
import { loadDigits } from '../src/runtime/experiment/digits.ts';
import { launch, serveFolder } from '../test/support/browser.ts';

/** What a page did while it was watched. */
interface Watched {
  /** Between two frames, in milliseconds, the longest first. */
  readonly frames: readonly number[];
  /** Of its main thread: the length of tasks above 50 ms. */
  readonly longTasks: readonly number[];
  /** Seconds and steps of the attacker when fewer than half of the attacked digits were read right; null if never. */
  readonly fell: { readonly seconds: number; readonly step: number } | null;
  /** What the page and its chart say at the end. */
  readonly said: string;
}

const { seconds: wasmSeconds, webgpuSeconds } = new Command('page')
  .option('--seconds <n>', 'how long to train on WASM', count, 120)
  .option('--webgpu-seconds <n>', 'how long to train on WebGPU, in software', count, 30)
  .parse()
  .opts();
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const load = (): string =>
  loadavg()
    .map((one) => one.toFixed(2))
    .join(' ');

const digits = packDigits(await loadDigits('mnist'))!;
const site = await serveFolder(await demoFolder(), new Map([['digits.bin', digits]]));
const browser = await launch();
try {
  print(`load before ${load()}`);
  await restored(browser);
  await trained(browser, 'wasm', wasmSeconds);
  await trained(browser, 'webgpu', webgpuSeconds);
  print(`load after ${load()}`);
} finally {
  await browser.close();
  site.close();
}

async function opened(own: Browser, hash: string): Promise<Page> {
  const page = await own.newPage();
  page.setDefaultTimeout(120_000);
  // tsx names functions by a helper that the page does not have
  await page.addInitScript('globalThis.__name = (own) => own');
  await page.addInitScript(observe);
  await page.goto(`${site.url}#${hash}`);
  await page.getByText('4,000 handwritten digits').waitFor();
  return page;
}

/** Trains for some seconds and prints what was seen. */
async function trained(own: Browser, backend: 'wasm' | 'webgpu', seconds: number): Promise<void> {
  const page = await opened(own, `spar&backend=${backend}&eps=0.16`);
  await page.context().setOffline(true);
  const opening = await page.evaluate(() => watched.longTasks.splice(0));
  const idle = (await page.evaluate(watch, 5)).frames;
  await own.startTracing(page, { categories: ['disabled-by-default-devtools.timeline', '__metadata'] });
  await page.getByRole('button', { name: 'Play' }).click();
  const { frames, longTasks, fell, said } = await page.evaluate(watch, seconds);
  const tasks = tasksOf(await own.stopTracing());
  await page.close();
  const over = frames.filter((one) => one > 50).length;
  const at = (part: number): string => frames[Math.floor(part * frames.length)]!.toFixed(1);
  print(`${backend}, ${seconds} s: ${said}`);
  print(
    `  below half ${fell ? `after ${fell.seconds.toFixed(0)} s, step ${fell.step}` : 'never'}; ${frames.length} frames, ` +
      `longest ${at(0)} ms, 1 in 100 over ${at(0.01)} ms, half over ${at(0.5)} ms, ${over} over 50 ms`,
  );
  print(`  before Play, in 5 s: ${idle.length} frames, longest ${idle[0]!.toFixed(1)} ms`);
  print(`  long tasks of the page: ${list(longTasks)}; while it opened: ${list(opening)}`);
  print(`  the longest by the time of a core: ${list(tasks.slice(0, 5))}`);
}

/** The tasks of the page's main thread, in milliseconds of a core: on a busy machine they wait much longer than they work. */
function tasksOf(trace: Buffer): readonly number[] {
  const { traceEvents } = JSON.parse(trace.toString()) as {
    readonly traceEvents: readonly {
      readonly name: string;
      readonly pid: number;
      readonly tid: number;
      readonly tdur?: number;
      readonly args: { readonly name?: string };
    }[];
  };
  const threadOf = ({ pid, tid }: { readonly pid: number; readonly tid: number }): string => `${pid} ${tid}`;
  const main = new Set(
    traceEvents
      .filter(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
      .map(threadOf),
  );
  return traceEvents
    .filter((event) => event.name === 'RunTask' && main.has(threadOf(event)))
    .map(({ tdur = 0 }) => tdur / 1000)
    .toSorted((a, b) => b - a);
}

function list(times: readonly number[]): string {
  return times.length === 0 ? 'none' : `${times.map((one) => one.toFixed(0)).join(', ')} ms`;
}

/** Sets everything, opens the link elsewhere, and compares. */
async function restored(own: Browser): Promise<void> {
  const page = await opened(own, 'spar&hide=step');
  await page.getByLabel('The target').selectOption('alternating');
  await page.getByLabel('Speed').selectOption('fast');
  await page.getByLabel('Learning rate').selectOption('0.002');
  await page.getByLabel('Attacker’s width').selectOption('16');
  await page.getByLabel('Seed').fill('7');
  await page.getByRole('slider', { name: /^eps/ }).fill('0.08');
  await page.waitForFunction(() => location.hash.includes('eps=0.08') && location.hash.includes('seed=7'));
  const settings = (one: Page): Promise<readonly string[]> =>
    one
      .locator('.controls select, .controls input')
      .evaluateAll((all) => all.map((control) => (control as HTMLInputElement).value));
  const other = await opened(own, new URL(page.url()).hash.slice(1));
  const [before, after] = [await settings(page), await settings(other)];
  print(`link: ${before.join()} ${before.join() === after.join() ? 'restored' : `became ${after.join()}`}`);
  await page.close();
  await other.close();
}

declare const watched: { longTasks: number[] };

/** In the page, before its own scripts. */
function observe(): void {
  const longTasks: number[] = [];
  Object.assign(globalThis, { watched: { longTasks } });
  new PerformanceObserver((entries) => {
    longTasks.push(...entries.getEntries().map(({ duration }) => duration));
  }).observe({ type: 'longtask', buffered: true });
}

/** In the page. */
async function watch(seconds: number): Promise<Watched> {
  const frames: number[] = [];
  const started = performance.now();
  const chart = document.querySelector('.plot')!;
  const said = (): string => chart.getAttribute('aria-label')!;
  let fell: Watched['fell'] = null;
  for (let last = started; last - started < 1000 * seconds;) {
    const now = await new Promise<number>(requestAnimationFrame);
    frames.push(now - last);
    last = now;
    const attacked = /target, attacked: ([\d.]+) %/.exec(said());
    if (!fell && attacked && Number(attacked[1]) < 50) {
      const step = Number(/after (\d+) steps/.exec(said())![1]);
      fell = { seconds: (now - started) / 1000, step };
    }
  }
  return {
    frames: frames.toSorted((a, b) => b - a),
    longTasks: watched.longTasks.splice(0),
    fell,
    said: `${document.querySelector('.sub')!.textContent} ${said()}`,
  };
}
