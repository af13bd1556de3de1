import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { Cell } from './catalogue.ts';
import type { Batch, BatchResult } from './inference.ts';
import type { WorkerData } from './worker.ts';

export interface PoolOptions {
  readonly cells: readonly Cell[];
  /** Worker threads: batches in work at a time. */
  readonly workers: number;
  /** Threads of ONNX Runtime in each worker. */
  readonly threads: number;
  /** Cells that a worker keeps open. */
  readonly openCells: number;
  /** Arguments of Node for the workers, such as a loader for TypeScript; those of this process when absent. */
  readonly execArgv?: readonly string[];
}

/** Worker threads that attack batches. */
export interface Pool {
  readonly workers: number;
  /**
   * Runs a batch on a free worker, or on the next one.
   *
   * @param signal when it aborts, the worker is ended and replaced.
   * @throws Error when the worker dies on the way; it is replaced.
   */
  run(batch: Batch, signal: AbortSignal): Promise<BatchResult>;
  /** Worker threads that are alive. */
  alive(): number;
  /** Ends a worker thread, as a crash would. */
  kill(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts the workers; done when each of them has attacked an image of the first cell. */
export async function createPool({
  cells,
  workers,
  threads,
  openCells,
  execArgv,
}: PoolOptions): Promise<Pool> {
  const data: WorkerData = {
    cells: cells.map(({ folder, eps, models: { c1, c2, attacker } }) => ({
      folder,
      eps,
      c1: c1.content,
      c2: c2.content,
      attacker: attacker.content,
    })),
    threads,
    openCells,
  };
  const piscina = new Piscina<Batch, BatchResult>({
    filename: fileURLToPath(import.meta.url).replace(/pool(\.[jt]s)$/, 'worker$1'),
    name: 'attack',
    workerData: data,
    minThreads: workers,
    maxThreads: workers,
    ...(execArgv && { execArgv: [...execArgv] }),
  });
  // A worker that dies while it has nothing to do is replaced like any other, and nobody's request fails.
  piscina.on('error', () => {});
  const warmUp: Batch = {
    cell: cells[0]!.folder,
    images: new Float32Array(28 * 28),
    constraints: [{ clip: true, bits: null }],
  };
  await Promise.all(Array.from({ length: workers }, async () => await piscina.run(warmUp)));
  return {
    workers,
    run: async (batch, signal) => await piscina.run(batch, { signal }),
    alive: () => piscina.threads.length,
    async kill(index) {
      await piscina.threads[index]?.terminate();
    },
    close: async () => await piscina.destroy(),
  };
}
