import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Catalogue } from '../../server/index.ts';
import { prepareDemo } from './demo-data.ts';
import { drawPreview } from './demo-preview.ts';

/**
 * The files of the demo that depend on the run, besides models.json: by name, for `sparring demo` to write and for
 * `sparring serve` to serve.
 *
 * @param page the folder of the built page.
 * @param url where the page will be found, ending in `/`; null when that is not known. Services that show pictures of
 *   links want a full address.
 */
export async function pageFiles(
  run: string,
  catalogue: Catalogue,
  page: string,
  url: string | null,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const { data, pictures, digits } = await prepareDemo(run, catalogue);
  const html = await readFile(join(page, 'index.html'), 'utf8');
  return new Map<string, Uint8Array>([
    ['index.html', Buffer.from(describe(html, { picture: pictures !== null, url }))],
    ['demo.json', Buffer.from(JSON.stringify(data))],
    ...(digits ? [['digits.bin', digits] as const] : []),
    ...(pictures ? [['preview.png', drawPreview(pictures)] as const] : []),
  ]);
}

/** The page with the picture of shared links at its full address, or without where there is no picture. */
export function describe(
  html: string,
  { picture, url }: { readonly picture: boolean; readonly url: string | null },
): string {
  const base = url === null ? '' : escaped(url);
  const address = base === '' ? '' : `<meta property="og:url" content="${base}" />\n    `;
  const tags = /[^\n]*<meta property="og:image[^>]*>\n/g;
  return (
    picture ? html.replace('content="preview.png"', `content="${base}preview.png"`) : html.replace(tags, '')
  ).replace('<meta property="og:title"', `${address}<meta property="og:title"`);
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
