import type { Backend } from './protocol.ts';

/** A browser that says nothing for this long is taken to have no WebGPU, in milliseconds. */
const patience = 2000;

/**
 * What WebGPU there is: a GPU's, one in software, none, or no answer at all. The page takes the first for itself and WASM
 * otherwise: in software WebGPU is slower than WASM and twice the download.
 */
export type WebGpu = 'hardware' | 'software' | 'none' | 'silent';

interface Adapter {
  /** Chrome and Edge have it from version 127 on. */
  readonly info?: { readonly isFallbackAdapter?: boolean };
  /** Where it stood before. */
  readonly isFallbackAdapter?: boolean;
  requestDevice(): Promise<{ destroy(): void }>;
}

interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}

const ownGpu = (): Gpu | undefined => (navigator as { readonly gpu?: Gpu }).gpu;

/** Asks the browser which WebGPU it has. Never rejects. */
export async function findWebGpu(gpu: Gpu | undefined = ownGpu(), wait = patience): Promise<WebGpu> {
  try {
    if (!gpu) return 'none';
    const adapter = await within(wait, gpu.requestAdapter());
    if (adapter === 'late') return 'silent';
    if (!adapter) return 'none';
    return (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter) ? 'software' : 'hardware';
  } catch {
    return 'none';
  }
}

/** What a page says of its choice between WebGPU and WASM; null where nothing has to be said. */
export function noteOn(found: WebGpu | null, wish: Backend | null, broken: string | null): string | null {
  if (wish === 'wasm') return null;
  if (broken !== null) return `WebGPU does not work here: ${broken}. WASM computes instead.`;
  if (found === 'silent') return 'The browser did not answer when asked for WebGPU. WASM computes instead.';
  if (found === 'software') {
    return wish === 'webgpu'
      ? 'No GPU is behind the WebGPU of this browser: the processor does its work, slower than WASM would.'
      : 'No GPU is behind the WebGPU of this browser. WASM computes, which is faster on a processor.';
  }
  return wish === 'webgpu' && found === 'none' ? 'This browser has no WebGPU. WASM computes instead.' : null;
}

/**
 * Makes a device and gives it back: an adapter alone promises nothing.
 *
 * @throws Error in one line when there is no device to be had.
 */
export async function checkWebGpu(gpu: Gpu | undefined = ownGpu(), wait = patience): Promise<void> {
  if (!gpu) throw new Error('a worker has no WebGPU in this browser');
  const adapter = await within(wait, gpu.requestAdapter());
  if (adapter === 'late') throw new Error('the browser names no GPU');
  if (!adapter) throw new Error('the browser has no GPU for a worker');
  const device = await within(wait, adapter.requestDevice());
  if (device === 'late') throw new Error('the GPU gives no device');
  device.destroy();
}

async function within<T>(milliseconds: number, answer: Promise<T>): Promise<T | 'late'> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), milliseconds);
  });
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer));
}
