import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from '../support/browser.ts';
import { sparring } from '../support/cli.ts';
import { asInThePaper, resultJson } from '../support/results.ts';

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-report-'));
});
afterAll(async () => {
  await rm(cwd, { recursive: true });
});

async function madeUp(folder: string, cells = asInThePaper): Promise<void> {
  await mkdir(join(cwd, folder), { recursive: true });
  await writeFile(join(cwd, folder, 'result.json'), resultJson(cells));
}

describe('sparring report', () => {
  it('writes a page and its figures beside the result, and prints their paths', async () => {
    await madeUp('runs/one');
    const { code, stdout, stderr } = await sparring(['report', 'runs/one'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const written = await readdir(join(cwd, 'runs/one'), { recursive: true });
    const files = written.filter((name) => /\.(html|svg|png)$/.test(name)).map((name) => `runs/one/${name}`);
    expect(stdout.trimEnd().split('\n').sort()).toEqual(files.sort());
    expect(files).toContain('runs/one/report.html');
    expect(files).toContain('runs/one/figures/figure-6b.svg');
  });

  it('reports several folders together, and a folder of runs', async () => {
    await madeUp('shards/a', asInThePaper.slice(0, 5));
    await madeUp('shards/b', asInThePaper.slice(5));
    const pages = [];
    for (const folders of [['shards'], ['shards/a', 'shards/b']]) {
      const { code } = await sparring(['report', ...folders, '--out', 'both'], { cwd });
      expect(code).toBe(0);
      pages.push(await readFile(join(cwd, 'both', 'report.html'), 'utf8'));
    }
    for (const page of pages) {
      for (const { mode, eps } of asInThePaper) expect(page).toContain(`${mode}-eps${eps}-seed1`);
    }
  });

  it.each([
    [['report', 'nowhere'], 'cannot read nowhere: no such file or folder; check the path'],
    [['report', '.'], '.: has no result.json; name the folder of a run, or one that holds runs'],
    [['report', 'a', 'b'], 'a report of several folders needs a folder of its own; name it by --out'],
    [['report'], "missing required argument 'folders'"],
  ])('refuses %j in one line', async (args, message) => {
    expect(await sparring(args, { cwd })).toMatchObject({
      code: 2,
      stderr: `sparring: ${message}\n`,
      stdout: '',
    });
  });
});

describe.skipIf(!chromiumPath)('report.html in a browser (needs Chromium)', () => {
  let browser: Browser;
  beforeAll(async () => {
    await madeUp('runs/page');
    await sparring(['report', 'runs/page'], { cwd });
    browser = await chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser.close();
  });

  it.each([
    [1200, 'light'],
    [390, 'light'],
    [390, 'dark'],
  ] as const)(
    'opens offline, %d pixels wide and %s, with all figures and without overflow',
    async (width, colorScheme) => {
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
      const url = pathToFileURL(join(cwd, 'runs/page/report.html')).href;
      await page.goto(url);
      expect(said).toEqual([]);
      expect(asked.filter((each) => !each.startsWith('data:'))).toEqual([url]);
      const measure = () => ({
        figures: [...document.querySelectorAll('svg[role=img]')].map((svg) => ({
          id: svg.querySelector('title')!.id,
          width: svg.getBoundingClientRect().width,
          letters: Math.min(
            ...[...svg.querySelectorAll('text')]
              .map((text) => text.getBoundingClientRect().height)
              .filter((h) => h > 0),
          ),
        })),
        overflow: document.documentElement.scrollWidth - window.innerWidth,
        background: getComputedStyle(document.body).backgroundColor,
      });
      const { figures, overflow, background } = await page.evaluate(measure);
      expect(figures.map(({ id }) => id)).toEqual(
        ['3a', '3b', '4a', '4b', '5a', '5b', '6a', '6b'].map((panel) => `figure-${panel}-title`),
      );
      for (const figure of figures) {
        expect(figure.width, `${figure.id}`).toBeGreaterThan(300);
        expect(figure.letters, `${figure.id}`).toBeGreaterThan(9);
      }
      expect(overflow).toBeLessThanOrEqual(0);
      expect(background).toBe(colorScheme === 'dark' ? 'rgb(20, 23, 28)' : 'rgb(255, 255, 255)');
      await context.close();
    },
  );
});
