import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readInputs, writeReport } from '../../src/cli/experiment/write-report.ts';
import { confusionJson } from '../../src/runtime/experiment/confusion-file.ts';
import { type Confusion } from '../../src/runtime/audit/confusion.ts';
import { chromiumPath, looks } from '../support/browser.ts';
import { evaluationOf } from '../support/evaluations.ts';
import { asInThePaper, modelsOf, resultJson, type MadeUp } from '../support/results.ts';

/** As of the quick preset: one cell, clipped. */
const one = asInThePaper.filter(({ mode, eps }) => mode === 'consecutive' && eps === 0.16);
const results = fileURLToPath(new URL('../../results/paper', import.meta.url));
const samples = fileURLToPath(new URL('../../docs/samples.png', import.meta.url));

/** All classes but one keep nine images of ten; under attack that one gets all. */
const counts = (collapsed: boolean): Confusion =>
  Array.from({ length: 10 }, (_, label) =>
    Array.from({ length: 10 }, (__, answer) =>
      collapsed ? (answer === 8 ? 1000 : 0) : answer === label ? 991 : 1,
    ),
  );

describe.skipIf(!chromiumPath)('report.html in a browser (needs Chromium)', () => {
  let cwd: string;
  let browser: Browser;
  let axe: string;

  /** Writes what a run leaves, made up, and its report. */
  async function make(name: string, cells: readonly MadeUp[], evaluated: boolean): Promise<void> {
    const folder = join(cwd, name);
    await mkdir(folder);
    await writeFile(join(folder, 'result.json'), resultJson(cells, { epochs: cells.length === 1 ? 1 : 20 }));
    for (const cell of cells.length === 1 ? cells : []) {
      const own = join(folder, `${cell.mode}-eps${cell.eps}-seed1`);
      await mkdir(own);
      await copyFile(samples, join(own, 'samples.png'));
      const both = { clean: counts(false), attacked: counts(true) };
      await writeFile(join(own, 'confusion.json'), confusionJson(modelsOf(cell), { c1: both, c2: both }));
    }
    if (evaluated) await writeFile(join(folder, 'evaluation.json'), JSON.stringify(evaluationOf(cells)));
    await writeReport(folder, await readInputs([folder]), name, { figures: false });
  }

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'sparring-page-'));
    await make('before-evaluate', one, false);
    await make('after-evaluate', one, true);
    await make('many-cells', asInThePaper, true);
    await writeReport(join(cwd, 'results-paper'), await readInputs([results]), 'paper', { figures: false });
    axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    browser = await chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] });
  }, 240_000);
  afterAll(async () => {
    await browser.close();
    await rm(cwd, { recursive: true });
  });

  const open = async (name: string, width: number, colorScheme: 'light' | 'dark') => {
    const context = await browser.newContext({
      viewport: { width, height: 844 },
      colorScheme,
      offline: true,
    });
    const page = await context.newPage();
    const said: string[] = [];
    const asked: string[] = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(error.message));
    page.on('request', (request) => asked.push(request.url()));
    const url = pathToFileURL(join(cwd, name, 'report.html')).href;
    await page.goto(url);
    expect(said).toEqual([]);
    expect(asked.filter((each) => !each.startsWith('data:'))).toEqual([url]);
    const seen = await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
      const boxes = (svg: Element) =>
        [...svg.querySelectorAll('text')]
          .map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }))
          .filter(({ box }) => box.height > 0);
      return {
        order: [...document.querySelectorAll('h1,.headline,h2,img.samples')].map(
          (each) => each.textContent || 'samples.png',
        ),
        figures: [...document.querySelectorAll('svg[role=img]')].map((svg) => ({
          id: svg.querySelector('title')!.id.replace('-title', ''),
          width: svg.getBoundingClientRect().width,
          letters: Math.min(...boxes(svg).map(({ box }) => box.height)),
          collisions: boxes(svg).flatMap(({ text, box: a }, i, all) =>
            all
              .slice(i + 1)
              .filter(
                ({ box: b }) =>
                  Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
                  Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4,
              )
              .map((other) => `${text} on ${other.text}`),
          ),
        })),
        overflow: document.documentElement.scrollWidth - window.innerWidth,
        cut: [...document.querySelectorAll('.scroll')]
          .filter((each) => each.scrollWidth > each.clientWidth)
          .map((each) => ({
            name: each.getAttribute('aria-label'),
            reachable: each.getAttribute('role') === 'region' && (each as HTMLElement).tabIndex === 0,
          })),
        loose: [...document.querySelectorAll('table')].filter((table) => !table.closest('.scroll')).length,
        background: getComputedStyle(document.body).backgroundColor,
      };
    });
    await page.addScriptTag({ content: axe });
    const violations = await page.evaluate(async () => {
      const { axe: checker } = globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
      };
      return (await checker.run()).violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
    });
    await context.close();
    return { ...seen, violations };
  };

  const pages = ['before-evaluate', 'after-evaluate', 'many-cells', 'results-paper'] as const;
  it.each(pages.flatMap((name) => looks.map(([width, scheme]) => [name, width, scheme] as const)))(
    '%s at %d pixels, %s: offline, nothing cut, no label on another, nothing that axe finds',
    async (name, width, scheme) => {
      const { figures, overflow, background, cut, loose, violations } = await open(name, width, scheme);
      for (const { id, collisions, ...figure } of figures) {
        expect(figure.width, `${id}`).toBeGreaterThan(300);
        expect(figure.letters, `${id}`).toBeGreaterThan(9);
        expect(collisions, `${id}`).toEqual([]);
      }
      expect(overflow).toBeLessThanOrEqual(0);
      expect(loose).toBe(0);
      // a window of 1280 pixels shows every column; on a phone a table may scroll by itself
      expect(width === 1280 ? cut : []).toEqual([]);
      for (const table of cut) expect(table).toMatchObject({ name: expect.any(String), reachable: true });
      expect(background).toBe(scheme === 'dark' ? 'rgb(20, 23, 28)' : 'rgb(255, 255, 255)');
      expect(violations).toEqual([]);
    },
    120_000,
  );

  it('opens with a title, the headline and the samples, then attacks, then confusion', async () => {
    const { order } = await open('after-evaluate', 1280, 'light');
    expect(order.slice(0, 7)).toEqual([
      'Robustness report',
      'C1: 99.0 % clean, 12.0 % under the attacker, 4.8 % in the worst case; eps 0.16, unclipped',
      '1 warning',
      'Samples',
      'samples.png',
      'Accuracy under attack',
      'Which class is read as which',
    ]);
  });

  it('has all figures of the paper where all cells were measured', async () => {
    const { figures } = await open('many-cells', 390, 'light');
    const panels = ['3a', '3b', '4a', '4b', '5a', '5b', '6a', '6b'].map((panel) => `figure-${panel}`);
    expect(figures.map(({ id }) => id)).toEqual(['curve-1', 'curve-2', ...panels]);
  });
});
