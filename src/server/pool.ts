import { fileURLToPath } from 'node:url';
import type { Source } from './sources.ts';
import { supervise } from './supervisor.ts';
import type { Task } from './worker.ts';
import { blankOf, type Batch, type Result } from './work.ts';

export interface PoolOptions {
  /** At least one. Workers show that they work on the first. */
  readonly sources: readonly Source[];
  /** Worker processes: batches in work at a time. */
  readonly workers: number;
  /** Threads of ONNX Runtime in each worker. */
  readonly threads: number;
  /** Sources that a worker keeps open. */
  readonly openCells: number;
  /** For a batch, in milliseconds: an attack of several steps gives up in time, so that its worker need not be ended. */
  readonly timeout: number;
  /** Arguments of Node for the workers, such as a loader for TypeScript; those of this process when absent. */
  readonly execArgv?: readonly string[];
  /** Between two heartbeats of a worker, in milliseconds; 1000 when absent. */
  readonly beatInterval?: number;
  /** A worker ended unasked, or could not start; it is replaced. */
  readonly onEnd?: (error: Error) => void;
}

/** Processes that do batches. */
export interface Pool {
  readonly workers: number;
  /**
   * Runs a batch on the worker with the least to do. Each takes two: it works on one and has one ahead.
   *
   * @param signal when it aborts, a worker that is at the batch is ended and replaced.
   * @throws TaskFailed when a model cannot be opened or run; Error when the worker ends on the way. It is replaced.
   */
  run(batch: Batch, signal: AbortSignal): Promise<Result>;
  /**
   * Takes other sources. Batches of those before can still be run until it is called again.
   *
   * @throws TaskFailed when a worker cannot open the first of them; the sources are then as they were.
   */
  change(sources: readonly Source[]): Promise<void>;
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
/** The part of the time of a batch after which an attack gives up. */
const giveUp = 0.9;

/**
 * Starts the workers; done when each of them has run the models of the first source.
 *
 * They are processes, not threads: a thread that ends while ONNX Runtime computes takes the whole process with it.
 *
 * @throws Error when the models of the first source cannot be opened.
 */
export async function createPool({
  sources: first,
  workers,
  threads,
  openCells,
  timeout,
  execArgv,
  beatInterval = 1000,
  onEnd = () => {},
}: PoolOptions): Promise<Pool> {
  let sources = first;
  let before: readonly Source[] = [];
  const taskOf = (source: Source, batch: Batch | null): Task => {
    const deadline = Date.now() + giveUp * timeout;
    return { source, batch, threads, openCells, deadline };
  };
  // workers need no secret
  const { SPARRING_TOKEN: _, ...env } = process.env;
  const supervisor = supervise<Task, Result>({
    filename: fileURLToPath(import.meta.url).replace(/pool(\.[jt]s)$/, 'worker$1'),
    count: workers,
    env: { ORT_DISABLE_TELEMETRY: '1', ...env },
    ...(execArgv && { execArgv }),
    probe: () => taskOf(sources[0]!, null),
    beatInterval,
    probeInterval: 5 * beatInterval,
    patience: ({ batch }) => patience + Math.floor((batch?.constraints.length ?? 1) / imagesPerBeat),
    onEnd,
  });
  const pool: Pool = {
    workers,
    async run(batch, signal) {
      const source = [...sources, ...before].find(({ id }) => id === batch.cell);
      if (!source) throw new Error(`${batch.cell} is not served any more`);
      return await supervisor.run(taskOf(source, batch), signal);
    },
    async change(others) {
      await supervisor.run(taskOf(others[0]!, blankOf(others[0]!)), AbortSignal.timeout(timeout));
      [sources, before] = [others, sources];
    },
    ready: () => supervisor.ready(),
    pids: () => supervisor.pids(),
    close: () => supervisor.close(),
  };
  try {
    await supervisor.started;
  } catch (error) {
    await pool.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot run the models of ${first[0]!.id}: ${reason}`, { cause: error });
  }
  return pool;
}
