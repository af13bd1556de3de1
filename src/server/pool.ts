import { fileURLToPath } from 'node:url';
import { Tinypool } from 'tinypool';
import type { Cell } from './catalogue.ts';
import type { Batch, BatchResult } from './inference.ts';
import { pixels } from './schemas.ts';
import type { CellSource, Task } from './worker.ts';

export interface PoolOptions {
  /** At least one, with their models in files. */
  readonly cells: readonly Cell[];
  /** Worker processes: batches in work at a time. */
  readonly workers: number;
  /** Threads of ONNX Runtime in each worker. */
  readonly threads: number;
  /** Cells that a worker keeps open. */
  readonly openCells: number;
  /** Arguments of Node for the workers, such as a loader for TypeScript; those of this process when absent. */
  readonly execArgv?: readonly string[];
  /** A worker died while it had nothing to do; it is replaced. */
  readonly onDeath?: (error: unknown) => void;
}

/** Processes that attack batches. */
export interface Pool {
  readonly workers: number;
  /**
   * Runs a batch on a free worker, or on the next one.
   *
   * @param signal when it aborts, the worker is ended and replaced.
   * @throws Error when the worker dies on the way; it is replaced.
   */
  run(batch: Batch, signal: AbortSignal): Promise<BatchResult>;
  /** The process ids of the workers that are alive. */
  pids(): readonly number[];
  close(): Promise<void>;
}

/**
 * Starts the workers; done when each of them has attacked an image of the first cell.
 *
 * They are processes, not threads: a thread that ends while ONNX Runtime computes takes the whole process with it.
 *
 * @throws Error when the models of the first cell cannot be opened.
 */
export async function createPool({
  cells,
  workers,
  threads,
  openCells,
  execArgv,
  onDeath = () => {},
}: PoolOptions): Promise<Pool> {
  const sources = new Map(
    cells.map(({ folder, eps, models: { c1, c2, attacker } }): [string, CellSource] => [
      folder,
      { folder, eps, c1: String(c1.content), c2: String(c2.content), attacker: String(attacker.content) },
    ]),
  );
  // workers need no secret
  const { SPARRING_TOKEN: _, ...env } = process.env;
  const tinypool = new Tinypool({
    runtime: 'child_process',
    serialization: 'advanced',
    filename: fileURLToPath(import.meta.url).replace(/pool(\.[jt]s)$/, 'worker$1'),
    name: 'attack',
    minThreads: workers,
    maxThreads: workers,
    env: env as Record<string, string>,
    ...(execArgv && { execArgv: [...execArgv] }),
  });
  tinypool.on('error', onDeath);
  const pool: Pool = {
    workers,
    async run(batch, signal) {
      const task: Task = { source: sources.get(batch.cell)!, batch, threads, openCells };
      return (await tinypool.run(task, { signal })) as BatchResult;
    },
    pids: () => tinypool.threads.map(({ threadId }) => threadId),
    async close() {
      const pids = pool.pids();
      const closed = tinypool.destroy();
      for (const pid of pids) end(pid);
      await closed;
    },
  };
  const warmUp: Batch = {
    cell: cells[0]!.folder,
    images: new Float32Array(pixels),
    constraints: [{ clip: true, bits: null }],
  };
  try {
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: workers }, async () => await pool.run(warmUp, signal)));
  } catch (error) {
    await pool.close();
    const reason = error instanceof Error ? error.message : (error as { readonly message?: string }).message;
    throw new Error(`cannot run the models of ${cells[0]!.folder}: ${reason ?? String(error)}`, {
      cause: error,
    });
  }
  return pool;
}

/** Ends a process that has nothing left to do and ignores gentler signals. */
function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}
