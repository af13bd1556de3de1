/** Where a page keeps what it needs without a network. An origin may have several pages. */
export const cacheName = (base: string): string => `sparring ${new URL('./', base).href}`;

/** What a page tells the worker that is to keep nothing any more. */
export const forget = 'forget';

/**
 * Keeps a file that never changes under its address, where the page keeps anything. Nothing depends on it: a browser
 * without room for it keeps nothing.
 */
export async function keep(url: URL, base: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  // outside of secure contexts there are none
  const all = (globalThis as { readonly caches?: CacheStorage }).caches;
  if (!(await all?.has(cacheName(base)))) return;
  const cache = await all!.open(cacheName(base));
  if (await cache.match(url)) return;
  await cache.put(url, new Response(bytes)).catch(() => {});
}
