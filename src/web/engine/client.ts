import { linkTo } from './link.ts';
import type { AttackRequest, Backend, LoadRequest, Reply } from './protocol.ts';

/** The worker as the page sees it. */
export interface Engine {
  /** Begins to fetch models, without an image. */
  load(request: Omit<LoadRequest, 'kind'>): void;
  /** Asks for attacks; the answers come to `onReply`, those to older jobs may still arrive. */
  attack(request: Omit<AttackRequest, 'kind'>): void;
  close(): void;
}

/** Starts a worker on a backend. */
export function startEngine(backend: Backend, threads: number, onReply: (reply: Reply) => void): Engine {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const link = linkTo<LoadRequest | AttackRequest, Reply>(worker, { backend, threads }, onReply);
  return {
    load: (request) => link.send({ kind: 'load', ...request }),
    attack: (request) => link.send({ kind: 'attack', ...request }),
    close: () => link.close(),
  };
}

/**
 * Threads of WASM, if the page may have any: they need cross-origin isolation. Half the cores, as ONNX Runtime itself
 * chooses: its threads wait by spinning, which is slow where something else needs the core.
 */
export const wasmThreads = (): number =>
  globalThis.crossOriginIsolated ? Math.min(4, Math.ceil((navigator.hardwareConcurrency || 1) / 2)) : 1;
