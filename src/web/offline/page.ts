import type { StoredManifest } from '../../runtime/experiment/manifest.ts';
import { cacheName, forget } from './cache.ts';
// oxlint-disable-next-line import/default -- it is Vite that gives the address
import worker from './offline.ts?worker&url';

/**
 * Has a page from a file host open without a network from now on. One that `sparring serve` serves does not: its models
 * and answers are those of the moment, and what an earlier page kept under the same address is removed.
 *
 * Resolves when there is a place for what is downloaded next; the rest goes on by itself.
 */
export async function keepOffline({ server }: Pick<StoredManifest, 'server'>): Promise<void> {
  const { serviceWorker } = navigator as { readonly serviceWorker?: ServiceWorkerContainer };
  if (!serviceWorker) return;
  const base = document.baseURI;
  try {
    if (server) {
      const found = await serviceWorker.getRegistration();
      const its = found?.active ?? found?.waiting ?? found?.installing;
      // what covers the address may be of another page
      if (its?.scriptURL.endsWith('/offline.js')) {
        its.postMessage(forget);
        await found!.unregister();
      }
      await caches.delete(cacheName(base));
      return;
    }
    await caches.open(cacheName(base));
    serviceWorker.register(worker).catch(() => {});
  } catch {
    // a browser that keeps nothing, in a private window for example, shows the page all the same
  }
}
