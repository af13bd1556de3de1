import { computed, signal, type ReadonlySignal } from '@preact/signals';
import { progressOf, runtimeName, type Progress } from '../progress.ts';
import { wasmThreads } from './client.ts';
import { linkTo, type Link } from './link.ts';
import type { Backend, StartReply } from './protocol.ts';
import { findWebGpu, noteOn } from './webgpu.ts';

/** A worker on the best backend that there is: WebGPU where a GPU is behind it or it is wished for, else WASM. */
export interface Seat<Request> {
  /** Null until the worker is ready. */
  readonly engine: ReadonlySignal<{ readonly backend: Backend; readonly threads: number } | null>;
  /** Bytes of ONNX Runtime; null when all are there. */
  readonly download: ReadonlySignal<Progress | null>;
  /** What is to be said of the backend; null where nothing is. */
  readonly note: ReadonlySignal<string | null>;
  /** Why nothing computes, in one line; null otherwise. */
  readonly failure: ReadonlySignal<string | null>;
  /** Requests before the worker is there wait for it. */
  send(request: Request, transfer?: readonly ArrayBuffer[]): void;
  /** Gives WebGPU up for WASM, with a new worker. */
  fallBack(reason: string): void;
  close(): void;
}

/**
 * Starts a worker.
 *
 * @param make it.
 * @param onStart called for each worker that takes over, before anything else is sent to it.
 */
export function takeSeat<Request, Reply extends { readonly kind: string }>(
  make: () => Worker,
  wish: Backend | null,
  onReply: (reply: Reply) => void,
  onStart: (send: Link<Request>['send']) => void = () => {},
): Seat<Request> {
  const engine = signal<{ readonly backend: Backend; readonly threads: number } | null>(null);
  const loaded = signal(0);
  const backend = signal<Backend>(wish ?? 'wasm');
  const note = signal<string | null>(null);
  const failure = signal<string | null>(null);
  const waiting: [Request, readonly ArrayBuffer[]][] = [];
  let link: Link<Request> | null = null;
  let closed = false;

  const start = (on: Backend): void => {
    if (closed) return;
    link?.close();
    engine.value = null;
    loaded.value = 0;
    backend.value = on;
    link = linkTo<Request, Reply | StartReply>(make(), { backend: on, threads: wasmThreads() }, onAny);
    onStart((request, transfer) => link!.send(request, transfer));
    for (const [request, transfer] of waiting.splice(0)) link.send(request, transfer);
  };
  const fallBack = (reason: string): void => {
    note.value = noteOn(null, wish, reason);
    start('wasm');
  };
  const onAny = (reply: Reply | StartReply): void => {
    if (!isStartReply(reply)) onReply(reply);
    else if (reply.kind === 'ready') engine.value = reply;
    else if (reply.kind === 'download') loaded.value = reply.loaded;
    else if (reply.kind === 'unavailable') fallBack(reply.message);
    else failure.value = reply.message;
  };
  if (wish === 'wasm') start('wasm');
  else {
    void findWebGpu().then((found) => {
      const able = found === 'hardware' || (wish === 'webgpu' && found === 'software');
      note.value = noteOn(found, wish, null);
      start(able ? 'webgpu' : 'wasm');
    });
  }
  return {
    engine,
    note,
    failure,
    download: computed(() => {
      const needed = { url: runtimeName, bytes: WASM_BYTES[backend.value] };
      const progress = progressOf([needed], new Map([[runtimeName, loaded.value]]));
      return progress.loaded < progress.total ? progress : null;
    }),
    send(request, transfer = []) {
      if (link) link.send(request, transfer);
      else waiting.push([request, transfer]);
    },
    fallBack,
    close() {
      closed = true;
      link?.close();
    },
  };
}

const startKinds: readonly string[] = [
  'ready',
  'download',
  'unavailable',
  'failed',
] satisfies StartReply['kind'][];

const isStartReply = (reply: { readonly kind: string }): reply is StartReply =>
  startKinds.includes(reply.kind);
