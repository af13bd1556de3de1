import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditPage } from '../../src/report/audit/index.ts';
import { audits, picturesOf } from '../support/audits.ts';
import { axeOn, chromiumPath, looks, overflowOf } from '../support/browser.ts';

/** With doubts, with demands, and with a thousand classes of long names. */
const kinds = ['doubts', 'failed', 'thousand'] as const;

describe.skipIf(!chromiumPath)('audit.html in a browser (needs Chromium)', () => {
  let folder: string;
  let browser: Browser;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparring-audit-page-'));
    for (const kind of kinds) {
      await writeFile(join(folder, `${kind}.html`), await auditPage(audits[kind], picturesOf(audits[kind])));
    }
    browser = await chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] });
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  it.each(kinds.flatMap((kind) => looks.map(([width, scheme]) => [kind, width, scheme] as const)))(
    'with %s, at %d pixels, %s: asks for nothing, nothing is cut, nothing that axe finds',
    async (kind, width, colorScheme) => {
      const context = await browser.newContext({
        viewport: { width, height: 844 },
        colorScheme,
        offline: true,
      });
      try {
        const page = await context.newPage();
        const [said, asked]: [string[], string[]] = [[], []];
        page.on('console', (message) => said.push(message.text()));
        page.on('pageerror', (error) => said.push(error.message));
        page.on('request', (request) => asked.push(request.url()));
        const url = pathToFileURL(join(folder, `${kind}.html`)).href;
        await page.goto(url);
        expect(said).toEqual([]);
        expect(asked.filter((each) => !each.startsWith('data:'))).toEqual([url]);
        const seen = await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
          return {
            background: getComputedStyle(document.body).backgroundColor,
            undrawn: [...document.images].filter(({ naturalWidth }) => naturalWidth === 0).length,
            cut: [...document.querySelectorAll('.scroll')]
              .filter((each) => each.scrollWidth > each.clientWidth)
              .map((each) => each.getAttribute('aria-label')),
            letters: Math.min(
              ...[...document.querySelectorAll('svg text')].map(
                (each) => each.getBoundingClientRect().height,
              ),
            ),
          };
        });
        expect(seen).toMatchObject({
          background: colorScheme === 'dark' ? 'rgb(20, 23, 28)' : 'rgb(255, 255, 255)',
          undrawn: 0,
          cut: [],
        });
        expect(seen.letters).toBeGreaterThan(9);
        expect(await overflowOf(page)).toBeLessThanOrEqual(0);
        expect(await axeOn(page)).toEqual([]);
      } finally {
        await context.close();
      }
    },
  );
});
