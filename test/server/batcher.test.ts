import { describe, expect, it } from 'vitest';
import { createBatcher, createMetrics, type Pool } from '../../src/server/index.ts';
import type { Batch, LogitsRows } from '../../src/server/work.ts';

const never = (): AbortSignal => new AbortController().signal;

/** A batch of images whose values say whose they are. */
const batchOf = (value: number, count = 1): Batch => ({
  cell: 'model',
  ask: { kind: 'logits' },
  images: new Float32Array(2 * count).fill(value),
  constraints: Array.from({ length: count }, () => ({ clip: false, bits: null })),
});

/** A pool of one worker that does a batch when it is told to, and writes down whose images it held. */
function byHand() {
  const done: number[][] = [];
  const held: (() => void)[] = [];
  const pool: Pick<Pool, 'workers' | 'run'> = {
    workers: 1,
    run: (batch: Batch) =>
      new Promise<LogitsRows>((resolve) => {
        held.push(() => {
          done.push(Array.from(batch.constraints, (_, i) => batch.images[2 * i]!));
          resolve({ logits: batch.images.map((x) => -x) } as LogitsRows);
        });
      }),
  };
  return {
    pool,
    done,
    /** Ends the batches in work, and those that follow, until none is left. */
    finish: async (): Promise<void> => {
      while (held.length > 0) {
        held.shift()!();
        await new Promise((resolve) => setTimeout(resolve));
      }
    },
  };
}

const batcher = (pool: Pick<Pool, 'workers' | 'run'>, more = {}) =>
  createBatcher(pool, { batch: 2, queue: 20, timeout: 60_000, ...more }, createMetrics().events);

describe('clients that wait', () => {
  it('take turns, however much one of them sends', async () => {
    const { pool, done, finish } = byHand();
    const own = batcher(pool);
    const sent = [
      ...Array.from({ length: 9 }, () => own.attack(batchOf(1), never(), 'greedy')),
      own.attack(batchOf(2), never(), 'second'),
      own.attack(batchOf(3), never(), 'third'),
    ];
    await finish();
    await Promise.all(sent);
    // the first goes out alone, and a full batch of the same client ahead of the others, who were not there yet
    const [first, ahead, ...rest] = done;
    expect([first, ahead]).toEqual([[1], [1, 1]]);
    // then one of each, before the rest of the first
    expect(new Set(rest.flat().slice(0, 3))).toEqual(new Set([1, 2, 3]));
    expect(rest.flat().slice(3)).toEqual([1, 1, 1, 1, 1]);
  });

  it('get the answers to their own images', async () => {
    const { pool, finish } = byHand();
    const own = batcher(pool, { batch: 8 });
    const sent = [1, 2, 3, 4].map((value) =>
      own.attack<LogitsRows>(batchOf(value, value), never(), String(value % 2)),
    );
    await finish();
    for (const [i, { logits }] of (await Promise.all(sent)).entries()) {
      expect(Array.from(logits)).toEqual(new Array<number>(2 * (i + 1)).fill(-(i + 1)));
    }
  });

  it('cannot fill the queue alone', async () => {
    const { pool, finish } = byHand();
    const own = batcher(pool, { queue: 6, clientQueue: 3 });
    const sent = [own.attack(batchOf(1), never(), 'greedy'), own.attack(batchOf(1, 2), never(), 'greedy')];
    sent.push(own.attack(batchOf(1, 3), never(), 'greedy'));
    await expect(own.attack(batchOf(1), never(), 'greedy')).rejects.toThrow(
      '3 of your images wait, the limit of one client is 3',
    );
    expect(() => own.admit('greedy')).toThrow('3 of your images wait');
    expect(() => own.admit('other')).not.toThrow();
    sent.push(own.attack(batchOf(2, 3), never(), 'other'));
    expect(() => own.admit('third')).toThrow('6 images wait, the limit is 6');
    await finish();
    await Promise.all(sent);
  });
});
