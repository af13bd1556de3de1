import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { build } from 'vite';

/** Where Chromium is, or null: `SPARRING_CHROMIUM`, or where Linux distributions put it. */
export const chromiumPath: string | null =
  [
    process.env['SPARRING_CHROMIUM'],
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ].find((path) => path && existsSync(path)) ?? null;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

/** Starts headless Chromium with a software WebGPU. */
export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath!,
    args: [
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      '--enable-features=Vulkan',
    ],
  });

/** What axe-core finds on a page, a line for each kind of issue. */
export async function axeOn(page: Page): Promise<readonly string[]> {
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(): Promise<{
          violations: readonly { id: string; impact: string; nodes: readonly { html: string }[] }[];
        }>;
      };
    };
    return (await axe.run()).violations.map(
      ({ id, impact, nodes }) =>
        `${impact}: ${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
    );
  });
}

/** The windows in which every view is looked at: desktop, phone and small phone. */
export const looks = [1280, 390, 320].flatMap((width) =>
  (['light', 'dark'] as const).map((scheme) => [width, scheme] as const),
);

/** How far the content of a page is wider than its window, in CSS pixels. */
export const overflowOf = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

/** Serves a folder as any file host does, and some files from memory; gives the address and the way to stop. */
export async function serveFolder(
  folder: string,
  files: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<{ readonly url: string; readonly close: () => void }> {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
    const name = path === '/' ? '/index.html' : path;
    const own = files.get(name.slice(1));
    const body = own ? Promise.resolve(own) : readFile(join(folder, name));
    body.then(
      (bytes) =>
        response.setHeader('content-type', types[extname(name)] ?? 'application/octet-stream').end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () => void server.close(),
  };
}

/**
 * A page of `test/browser` in headless Chromium with a software WebGPU, and the way to close all of it.
 *
 * @param files what the page can fetch besides itself, by path; looked up when it is asked for.
 * @param folder where the page's index.html lies within `test/browser`.
 * @param ready the global that the page sets when it is ready.
 */
export async function openPage(
  files: ReadonlyMap<string, Uint8Array>,
  { folder = '.', ready = 'sparring' }: { readonly folder?: string; readonly ready?: string } = {},
): Promise<{ readonly page: Page; readonly close: () => Promise<void> }> {
  const outDir = await mkdtemp(join(tmpdir(), 'sparring-page-'));
  const root = fileURLToPath(new URL(`../browser/${folder}`, import.meta.url));
  await build({
    root,
    logLevel: 'error',
    configFile: false,
    build: { outDir, emptyOutDir: true, target: 'esnext', chunkSizeWarningLimit: 1e6 },
  });
  const server = await serveFolder(outDir, files);
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(server.url);
  await page.waitForFunction((name) => name in window, ready);
  return {
    page,
    async close() {
      await browser.close();
      server.close();
      await rm(outDir, { recursive: true, force: true });
    },
  };
}
