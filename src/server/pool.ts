import { fileURLToPath } from 'node:url';
import { valuesOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import type { Cell, StoredModel } from './catalogue.ts';
import type { Batch, BatchResult } from './inference.ts';
import { supervise } from './supervisor.ts';
import type { CellSource, ModelSource, Task } from './worker.ts';

export interface PoolOptions {
  /** At least one, with their models in files. */
  readonly cells: readonly Cell[];
  readonly card: ClassifierCard;
  /** Worker processes: batches in work at a time. */
  readonly workers: number;
  /** Threads of ONNX Runtime in each worker. */
  readonly threads: number;
  /** Cells that a worker keeps open. */
  readonly openCells: number;
  /** Arguments of Node for the workers, such as a loader for TypeScript; those of this process when absent. */
  readonly execArgv?: readonly string[];
  /** Between two heartbeats of a worker, in milliseconds; 1000 when absent. */
  readonly beatInterval?: number;
  /** A worker ended unasked, or could not start; it is replaced. */
  readonly onEnd?: (error: Error) => void;
}

/** Processes that attack batches. */
export interface Pool {
  readonly workers: number;
  /**
   * Runs a batch on the worker with the least to do. Each takes two: it works on one and has one ahead.
   *
   * @param signal when it aborts, a worker that is at the batch is ended and replaced.
   * @throws TaskFailed when a model cannot be opened or run; Error when the worker ends on the way. It is replaced.
   */
  run(batch: Batch, signal: AbortSignal): Promise<BatchResult>;
  /** Workers whose last inference succeeded, and that answer heartbeats. */
  ready(): number;
  /** The process ids of the workers that there are. */
  pids(): readonly number[];
  close(): Promise<void>;
}

/** Heartbeats that an idle worker may miss; one at work may miss one more for each {@link imagesPerBeat}. */
const patience = 4;
/** A few times what the slowest machine that was tried attacks in a second. */
const imagesPerBeat = 16;

/**
 * Starts the workers; done when each of them has attacked an image of the first cell.
 *
 * They are processes, not threads: a thread that ends while ONNX Runtime computes takes the whole process with it.
 *
 * @throws Error when the models of the first cell cannot be opened.
 */
export async function createPool({
  cells,
  card: { image },
  workers,
  threads,
  openCells,
  execArgv,
  beatInterval = 1000,
  onEnd = () => {},
}: PoolOptions): Promise<Pool> {
  const source = ({ content, sha256 }: StoredModel): ModelSource => ({ path: String(content), sha256 });
  const sources = new Map(
    cells.map(({ folder, eps, models: { c1, c2, attacker } }): [string, CellSource] => [
      folder,
      { folder, eps, image, c1: source(c1), c2: c2 ? source(c2) : null, attacker: source(attacker) },
    ]),
  );
  const taskOf = (batch: Batch): Task => ({ source: sources.get(batch.cell)!, batch, threads, openCells });
  const blank: Batch = {
    cell: cells[0]!.folder,
    images: new Float32Array(valuesOf(image)),
    constraints: [{ clip: true, bits: null }],
  };
  // workers need no secret
  const { SPARRING_TOKEN: _, ...env } = process.env;
  const supervisor = supervise<Task, BatchResult>({
    filename: fileURLToPath(import.meta.url).replace(/pool(\.[jt]s)$/, 'worker$1'),
    count: workers,
    env: { ORT_DISABLE_TELEMETRY: '1', ...env },
    ...(execArgv && { execArgv }),
    probe: { ...taskOf(blank), probe: true },
    beatInterval,
    probeInterval: 5 * beatInterval,
    patience: ({ batch }) => patience + Math.floor(batch.constraints.length / imagesPerBeat),
    onEnd,
  });
  const pool: Pool = {
    workers,
    run: (batch, signal) => supervisor.run(taskOf(batch), signal),
    ready: () => supervisor.ready(),
    pids: () => supervisor.pids(),
    close: () => supervisor.close(),
  };
  try {
    await supervisor.started;
  } catch (error) {
    await pool.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot run the models of ${cells[0]!.folder}: ${reason}`, { cause: error });
  }
  return pool;
}
