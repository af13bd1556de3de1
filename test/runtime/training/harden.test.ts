import { expect, it } from 'vitest';
import { hardenEpochs, type HardenProgress } from '../../../src/runtime/training/harden.ts';

/** What is left of a training whose first epoch is done when its judge is stopped, and throws this. */
async function stopped(error: Error, reason: Error): Promise<HardenProgress[]> {
  const controller = new AbortController();
  const shape = { channels: 1, height: 1, width: 1 };
  const work = hardenEpochs({
    settings: {
      eps: 0.1,
      epochs: 1,
      batchSize: 1,
      learningRate: 0.1,
      schedule: 'constant',
      warmup: 0,
      patience: null,
      seed: 1,
    },
    device: 'cpu',
    threads: 1,
    program: null as never,
    train: { shape, count: 1 } as never,
    from: { records: [], running: { steps: 1, loss: 1, accuracy: 1 }, state: new Map(), best: null },
    // oxlint-disable-next-line require-yield -- it fails before it judges
    judge: async function* () {
      await Promise.resolve();
      controller.abort(reason);
      throw error;
    },
    validation: 1,
    signal: controller.signal,
  });
  const events: HardenProgress[] = [];
  for await (const event of work) events.push(event);
  return events;
}

it('takes the reason of the signal for no failure, and says any other error while it stops', async () => {
  const [reason, full] = [new Error('enough'), new Error('the disk is full')];
  expect(await stopped(reason, reason)).toMatchObject([{ kind: 'interrupted' }]);
  expect((await stopped(reason, reason))[0]).not.toHaveProperty('error');
  expect(await stopped(full, reason)).toMatchObject([{ kind: 'interrupted', error: full }]);
});
