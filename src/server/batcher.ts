import { setImmediate } from 'node:timers/promises';
import type { Batch, BatchResult } from './inference.ts';
import type { Pool } from './pool.ts';
import { Problem } from './problem.ts';
import { TaskFailed } from './supervisor.ts';

export interface BatcherOptions {
  /** Images that a batch is filled up to; a request that has more is a batch of its own. */
  readonly batch: number;
  /** Images that may wait; a request for which there is no room is rejected. */
  readonly queue: number;
  /** From a request's arrival here to its answer, in milliseconds. */
  readonly timeout: number;
}

/** Joins the images of concurrent requests into batches. */
export interface Batcher {
  /**
   * @param signal the client has gone: images that still wait are dropped.
   * @throws Problem `queue-full`, `client-gone` or `unavailable`.
   */
  attack(images: Batch, signal: AbortSignal): Promise<BatchResult>;
  /** Throws Problem `queue-full` when there is no room for even one image: to be asked before a body is read. */
  admit(): void;
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

interface Waiting {
  readonly batch: Batch;
  readonly count: number;
  readonly resolve: (result: BatchResult) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A batch is sent as soon as a worker is free, with all that waits for the same attacker by then: alone, a request does
 * not wait for others; under load, batches fill by themselves. Each worker also gets one full batch ahead, so that it
 * does not wait for this process, which is busy with answers.
 */
export function createBatcher(
  pool: Pick<Pool, 'workers' | 'run'>,
  { batch: full, queue, timeout }: BatcherOptions,
  events: BatcherEvents,
): Batcher {
  const waiting = new Set<Waiting>();
  let queued = 0;
  let inWork = 0;
  /** Moving average, for Retry-After. */
  let secondsPerImage = 0.005;

  const leave = (one: Waiting): void => {
    if (waiting.delete(one)) queued -= one.count;
  };

  /** What would go into the next batch, and how many images that is. */
  function next(): { readonly chosen: readonly Waiting[]; readonly images: number } {
    const chosen: Waiting[] = [];
    let images = 0;
    for (const one of waiting) {
      const [first = one] = chosen;
      if (one.batch.cell !== first.batch.cell || (chosen.length > 0 && images + one.count > full)) continue;
      chosen.push(one);
      images += one.count;
      if (images >= full) break;
    }
    return { chosen, images };
  }

  function dispatch(): void {
    while (waiting.size > 0 && inWork < 2 * pool.workers) {
      if (inWork >= pool.workers && queued < full) return;
      const { chosen, images } = next();
      if (inWork >= pool.workers && images < full) return;
      chosen.forEach(leave);
      inWork++;
      void work(chosen, images);
    }
  }

  async function work(chosen: readonly Waiting[], count: number): Promise<void> {
    const started = performance.now();
    let answer: () => void;
    try {
      const result = await pool.run(joined(chosen), AbortSignal.timeout(timeout));
      const seconds = (performance.now() - started) / 1000;
      secondsPerImage += 0.1 * (seconds / count - secondsPerImage);
      events.batch(count, seconds);
      answer = () => void deal(chosen, result, count);
    } catch (error) {
      events.failure(error);
      const problem =
        error instanceof TaskFailed
          ? new Problem(
              'unavailable',
              `the models of ${chosen[0]!.batch.cell} cannot be run; the log of the server says why`,
              { headers: { 'retry-after': '10' } },
            )
          : unavailable('the worker with this request ended before it was done');
      answer = () => chosen.forEach((one) => one.reject(problem));
    }
    inWork--;
    // first the worker, then the answers
    dispatch();
    answer();
  }

  const retryAfter = (): string => String(Math.max(1, Math.ceil((queued * secondsPerImage) / pool.workers)));
  const unavailable = (why: string): Problem =>
    new Problem('unavailable', `${why}; send it again`, { headers: { 'retry-after': retryAfter() } });

  const noRoom = (count: number): Problem =>
    new Problem('queue-full', `${queued} images wait, the limit is ${queue}; send it again later`, {
      headers: { 'retry-after': retryAfter() },
      errors: [{ field: 'images', message: 'No room in the queue', value: count, limit: queue - queued }],
    });
  const gone = (): Problem => new Problem('client-gone', 'the client has gone');

  return {
    admit() {
      if (queued >= queue) throw noRoom(1);
    },
    async attack(batch, signal) {
      const count = batch.constraints.length;
      if (signal.aborted) throw gone();
      if (queued + count > queue) throw noRoom(count);
      const { promise, resolve, reject } = withResolvers<BatchResult>();
      const one: Waiting = { batch, count, resolve, reject };
      const giveUp = (problem: () => Problem) => (): void => {
        leave(one);
        reject(problem());
      };
      const onGone = giveUp(gone);
      const timer = setTimeout(
        giveUp(() => unavailable(`it took longer than ${timeout} ms`)),
        timeout,
      );
      signal.addEventListener('abort', onGone);
      waiting.add(one);
      queued += count;
      dispatch();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', onGone);
      }
    },
    waiting: () => queued,
  };
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

function joined(parts: readonly Waiting[]): Batch {
  const [first] = parts;
  if (parts.length === 1) return first!.batch;
  const images = new Float32Array(parts.reduce((sum, { batch }) => sum + batch.images.length, 0));
  let at = 0;
  for (const { batch } of parts) {
    images.set(batch.images, at);
    at += batch.images.length;
  }
  return { cell: first!.batch.cell, images, constraints: parts.flatMap(({ batch }) => batch.constraints) };
}

/** Gives each request its part of the result, and the event loop a turn between two of them. */
async function deal(parts: readonly Waiting[], result: BatchResult, total: number): Promise<void> {
  const classes = result.c1.length / (2 * total);
  const size = result.attacked.length / total;
  let at = 0;
  for (const { count, resolve } of parts) {
    const end = at + count;
    const pixelsOf = (of: Float32Array): Float32Array => of.subarray(at * size, end * size);
    const probabilitiesOf = (of: Float32Array): Float32Array => {
      const own = new Float32Array(2 * count * classes);
      own.set(of.subarray(at * classes, end * classes));
      own.set(of.subarray((total + at) * classes, (total + end) * classes), count * classes);
      return own;
    };
    resolve({
      perturbation: pixelsOf(result.perturbation),
      attacked: pixelsOf(result.attacked),
      linf: result.linf.slice(at, end),
      l2: result.l2.slice(at, end),
      c1: probabilitiesOf(result.c1),
      c2: result.c2 && probabilitiesOf(result.c2),
    });
    at = end;
    await setImmediate();
  }
}
