import { InputError } from '../runtime/errors.ts';
import { env } from '../runtime/ort.ts';
import type { Platform } from './platform.ts';

/** A page has one ONNX Runtime, which does not take a second create() or run() before the first is done. */
let last: Promise<unknown> = Promise.resolve();

/** A browser, in a page or a worker: models are fetched. */
export const web: Platform = {
  async read(url) {
    const response = await fetch(url);
    if (!response.ok) throw new InputError(`cannot fetch ${url}: ${response.status} ${response.statusText}`);
    return new Uint8Array(await response.arrayBuffer());
  },
  // WebAssembly has threads in pages that are isolated from others only
  threads: () => (globalThis.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1),
  prepare(threads) {
    env.wasm.numThreads = threads;
  },
  inTurn(work) {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  },
};
