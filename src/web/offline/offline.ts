import { cacheName, forget } from './cache.ts';

/**
 * The service worker: it answers from the cache what never changes under its address, and everything else only where the
 * network does not answer. So no page is older than the one on its host.
 */

interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** What TypeScript's DOM library calls a window is a service worker here. */
const scope = self as unknown as {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
  addEventListener(
    type: 'message',
    listener: (event: ExtendableEvent & { readonly data: unknown }) => void,
  ): void;
};

const base = scope.registration.scope;
const at = (file: string): string => new URL(file, base).href;
const name = cacheName(base);
const opened = (): Promise<Cache> => caches.open(name);

/** All files of this build; their names hold their hashes. */
const assets = ASSETS.split(' ').map((file) => at(`assets/${file}`));
const [manifest, data, digits] = ['models.json', 'demo.json', 'digits.bin'].map(at) as [
  string,
  string,
  string,
];

scope.addEventListener('install', (event) => event.waitUntil(install()));
scope.addEventListener('activate', (event) => event.waitUntil(activate()));
scope.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET' || !request.url.startsWith(base)) return;
  event.respondWith(isFixed(request.url) ? fixed(request) : fresh(request));
});

/** A page of a server has the address now, and this worker goes on until the page is closed. */
let isForgotten = false;
scope.addEventListener('message', ({ data }) => {
  if (data === forget) isForgotten = true;
});

/** Keeps the page with its scripts, styles and letters. The programs of ONNX Runtime are kept when one is downloaded. */
async function install(): Promise<void> {
  const cache = await opened();
  // all or nothing: a page whose scripts are missing is worse than an older one
  await cache.addAll([
    new Request(base, { cache: 'no-cache' }),
    ...[manifest, data].map((url) => new Request(url, { cache: 'no-cache' })),
    ...assets.filter((url) => !url.endsWith('.wasm')),
  ]);
  // a page that was made without the data has none
  await cache.add(digits).catch(() => {});
}

/** Forgets the files of older builds, once no page uses them. */
async function activate(): Promise<void> {
  const cache = await opened();
  for (const { url } of await cache.keys()) {
    if (url.startsWith(at('assets/')) && !assets.includes(url)) await cache.delete(url);
  }
  await scope.clients.claim();
}

/** Whether what is at an address never changes: its hash is a part of it. */
const isFixed = (url: string): boolean =>
  url.startsWith(at('assets/')) || new URL(url).searchParams.has('sha256');

/** What is kept, whatever headers it was asked for with. */
const kept = (url: string): Promise<Response | undefined> =>
  caches.match(url, { cacheName: name, ignoreVary: true });

const fixed = async (request: Request): Promise<Response> =>
  (await kept(request.url)) ?? (await fetch(request));

async function fresh(request: Request): Promise<Response> {
  const { origin, pathname } = new URL(request.url);
  const url = origin + pathname;
  try {
    const response = await fetch(request);
    // a page of a server removes the cache
    if (response.ok && [manifest, data, digits].includes(url) && !isForgotten && (await caches.has(name))) {
      const cache = await opened();
      if (url === manifest) await forgetModels(cache, await response.clone().text());
      await cache.put(url, response.clone());
      // while this was on its way: then the cache was made anew
      if (isForgotten) await caches.delete(name);
    }
    return response;
  } catch (error) {
    const last = await kept(url === at('index.html') ? base : url);
    if (last) return last;
    throw error;
  }
}

/** Forgets the models that a run has no more. */
async function forgetModels(cache: Cache, manifestText: string): Promise<void> {
  for (const { url } of await cache.keys()) {
    const { searchParams, search } = new URL(url);
    if (searchParams.has('sha256') && !manifestText.includes(search)) await cache.delete(url);
  }
}
