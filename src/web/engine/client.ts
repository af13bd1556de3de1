import type { AttackRequest, Backend, Reply } from './protocol.ts';

/** The worker as the page sees it. */
export interface Engine {
  /** Asks for attacks; the answers come to `onReply`, those to older jobs may still arrive. */
  attack(request: Omit<AttackRequest, 'kind'>): void;
  close(): void;
}

/** Starts a worker on a backend. */
export function startEngine(backend: Backend, threads: number, onReply: (reply: Reply) => void): Engine {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  worker.onmessage = ({ data }: MessageEvent<Reply>) => onReply(data);
  worker.onerror = ({ message }) =>
    onReply({ kind: 'failed', job: null, message: message || 'the worker could not be loaded' });
  worker.postMessage({ kind: 'start', backend, threads, base: document.baseURI });
  return {
    attack: (request) => worker.postMessage({ kind: 'attack', ...request }),
    close: () => worker.terminate(),
  };
}

/**
 * Threads of WASM, if the page may have any: they need cross-origin isolation. Half the cores, as ONNX Runtime itself
 * chooses: its threads wait by spinning, which is slow where something else needs the core.
 */
export const wasmThreads = (): number =>
  globalThis.crossOriginIsolated ? Math.min(4, Math.ceil((navigator.hardwareConcurrency || 1) / 2)) : 1;

/**
 * What WebGPU there is: a GPU's, one in software, or none. The page takes the first for itself and WASM otherwise: in
 * software it is slower than WASM and twice the download.
 */
export async function findWebGpu(): Promise<'hardware' | 'software' | 'none'> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  if (!adapter) return 'none';
  return adapter.info.isFallbackAdapter ? 'software' : 'hardware';
}

interface Adapter {
  readonly info: { readonly isFallbackAdapter?: boolean };
}
