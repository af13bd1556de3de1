import type { ModelRef } from './protocol.ts';

export interface DownloadOptions {
  /** What the addresses of models are relative to. */
  readonly base: string;
  /** Told of every chunk; `loaded` and `total` in bytes. */
  readonly onProgress: (url: string, loaded: number, total: number) => void;
}

/**
 * Fetches a model.
 *
 * @throws Error in one line when the server does not have it or sends something of another length.
 */
export async function download(
  { url, bytes }: ModelRef,
  { base, onProgress }: DownloadOptions,
): Promise<Uint8Array> {
  const response = await fetch(new URL(url, base));
  if (!response.ok || !response.body) throw new Error(`cannot fetch ${url}: HTTP ${response.status}`);
  const all = new Uint8Array(bytes);
  let loaded = 0;
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (loaded + value.length > bytes) throw new Error(`${url} is longer than ${bytes} bytes`);
    all.set(value, loaded);
    loaded += value.length;
    onProgress(url, loaded, bytes);
  }
  if (loaded !== bytes) throw new Error(`${url} ended after ${loaded} of ${bytes} bytes`);
  return all;
}
