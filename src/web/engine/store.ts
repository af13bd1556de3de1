import { keep } from '../offline/cache.ts';
import type { ModelRef } from './protocol.ts';

export interface DownloadOptions {
  /** What the addresses of models are relative to. */
  readonly base: string;
  /** Told of every chunk: how many bytes have come. */
  readonly onProgress: (url: string, loaded: number) => void;
}

/**
 * Fetches a file whose address holds its hash.
 *
 * @throws Error in one line when the server does not have it, sends something of another length, or breaks off.
 */
export async function download(
  { url, bytes }: ModelRef,
  { base, onProgress }: DownloadOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const address = new URL(url, base);
  const name = address.pathname.split('/').at(-1);
  const response = await fetch(address).catch(() => {
    throw new Error(`${name} cannot be fetched`);
  });
  if (!response.ok || !response.body) throw new Error(`${name} cannot be fetched: HTTP ${response.status}`);
  const all = new Uint8Array(bytes);
  let loaded = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read().catch(() => {
      throw new Error(`${name} broke off after ${loaded} of ${bytes} bytes`);
    });
    if (done) break;
    if (loaded + value.length > bytes) throw new Error(`${name} is longer than ${bytes} bytes`);
    all.set(value, loaded);
    loaded += value.length;
    onProgress(url, loaded);
  }
  if (loaded !== bytes) throw new Error(`${name} ended after ${loaded} of ${bytes} bytes`);
  void keep(address, base, all);
  return all;
}
