import { setImmediate } from 'node:timers/promises';
import type { Pool } from './pool.ts';
import { Problem } from './problem.ts';
import { createQueue, type Waiting } from './queue.ts';
import { TaskFailed } from './supervisor.ts';
import { goTogether, joined, partOf, type Batch, type CellRows, type Result } from './work.ts';

export interface BatcherOptions {
  /** Images that a batch is filled up to; a request that has more is a batch of its own. */
  readonly batch: number;
  /** Images that may wait; a request for which there is no room is rejected. */
  readonly queue: number;
  /** Images of one client that may wait; as many as of all when absent. */
  readonly clientQueue?: number;
  /** From a request's arrival here to its answer, in milliseconds. */
  readonly timeout: number;
}

/** Joins the images of concurrent requests into batches. */
export interface Batcher {
  /**
   * @param signal the client has gone: images that still wait are dropped.
   * @param client who asks. Clients take turns, and none may fill the queue alone.
   * @returns what comes out of this kind of batch, `R`.
   * @throws Problem `queue-full`, `client-gone` or `unavailable`.
   */
  attack<R extends Result = CellRows>(images: Batch, signal: AbortSignal, client?: string): Promise<R>;
  /** Throws Problem `queue-full` when there is no room for even one image: to be asked before a body is read. */
  admit(client?: string): void;
  /** Images that wait. */
  waiting(): number;
}

/** What happens, for metrics and logs. */
export interface BatcherEvents {
  /** A batch is done: its images, and how long the worker had it, in seconds. */
  readonly batch: (images: number, seconds: number) => void;
  /** A batch failed: its worker ended, or said why it could not. */
  readonly failure: (error: unknown) => void;
}

interface Request extends Waiting {
  readonly batch: Batch;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A batch is sent as soon as a worker is free, with all that waits for the same models by then: alone, a request does
 * not wait for others; under load, batches fill by themselves. Each worker also gets one full batch ahead, so that it
 * does not wait for this process, which is busy with answers.
 */
export function createBatcher(
  pool: Pick<Pool, 'workers' | 'run'>,
  { batch: full, queue, clientQueue = queue, timeout }: BatcherOptions,
  events: BatcherEvents,
): Batcher {
  const waiting = createQueue<Request>();
  let inWork = 0;
  /** Moving average, for Retry-After. */
  let secondsPerImage = 0.005;

  function dispatch(): void {
    while (waiting.images() > 0 && inWork < 2 * pool.workers) {
      if (inWork >= pool.workers && waiting.images() < full) return;
      const chosen = waiting.next(full, ({ batch }, first) => goTogether(batch, first.batch));
      const images = chosen.reduce((sum, { count }) => sum + count, 0);
      if (inWork >= pool.workers && images < full) return;
      for (const one of chosen) waiting.leave(one);
      inWork++;
      void work(chosen, images);
    }
  }

  async function work(chosen: readonly Request[], count: number): Promise<void> {
    const started = performance.now();
    let answer: () => void;
    try {
      const result = await pool.run(joined(chosen.map(({ batch }) => batch)), AbortSignal.timeout(timeout));
      const seconds = (performance.now() - started) / 1000;
      secondsPerImage += 0.1 * (seconds / count - secondsPerImage);
      events.batch(count, seconds);
      answer = () => void deal(chosen, result, count);
    } catch (error) {
      events.failure(error);
      const problem = problemOf(error, chosen[0]!.batch);
      answer = () => chosen.forEach((one) => one.reject(problem));
    }
    inWork--;
    // first the worker, then the answers
    dispatch();
    answer();
  }

  function problemOf(error: unknown, { cell }: Batch): Problem {
    if (!(error instanceof TaskFailed))
      return unavailable('the worker with this request ended before it was done');
    const text = error.late
      ? `it takes longer than ${timeout} ms; ask for fewer steps, queries or images`
      : `the models of ${cell} cannot be run; the log of the server says why`;
    return new Problem('unavailable', text, { headers: { 'retry-after': '10' } });
  }

  const retryAfter = (): string =>
    String(Math.max(1, Math.ceil((waiting.images() * secondsPerImage) / pool.workers)));
  const unavailable = (why: string): Problem =>
    new Problem('unavailable', `${why}; send it again`, { headers: { 'retry-after': retryAfter() } });

  const noRoom = (detail: string, count: number, left: number): Problem =>
    new Problem('queue-full', `${detail}; send it again later`, {
      headers: { 'retry-after': retryAfter() },
      errors: [{ field: 'images', message: 'No room in the queue', value: count, limit: left }],
    });
  /** Throws unless there is room for `count` images of a client. */
  function demandRoom(count: number, client: string): void {
    const queued = waiting.images();
    if (queued + count > queue)
      throw noRoom(`${queued} images wait, the limit is ${queue}`, count, queue - queued);
    if (clientQueue >= queue) return;
    const own = waiting.images(client);
    if (own + count > clientQueue)
      throw noRoom(
        `${own} of your images wait, the limit of one client is ${clientQueue}`,
        count,
        clientQueue - own,
      );
  }
  const gone = (): Problem => new Problem('client-gone', 'the client has gone');

  return {
    admit(client = '') {
      demandRoom(1, client);
    },
    async attack<R extends Result>(batch: Batch, signal: AbortSignal, client = ''): Promise<R> {
      const count = batch.constraints.length;
      if (signal.aborted) throw gone();
      demandRoom(count, client);
      const { promise, resolve, reject } = withResolvers<Result>();
      const one: Request = { batch, client, count, resolve, reject };
      const giveUp = (problem: () => Problem) => (): void => {
        waiting.leave(one);
        reject(problem());
      };
      const onGone = giveUp(gone);
      const timer = setTimeout(
        giveUp(() => unavailable(`it took longer than ${timeout} ms`)),
        timeout,
      );
      signal.addEventListener('abort', onGone);
      waiting.add(one);
      dispatch();
      try {
        return (await promise) as R;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', onGone);
      }
    },
    waiting: () => waiting.images(),
  };
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

/** Gives each request its part of the result, and the event loop a turn between two of them. */
async function deal(parts: readonly Request[], result: Result, total: number): Promise<void> {
  if (parts.length === 1) return parts[0]!.resolve(result);
  let at = 0;
  for (const { count, resolve } of parts) {
    resolve(partOf(result, total, at, count));
    at += count;
    await setImmediate();
  }
}
