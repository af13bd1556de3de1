import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programsFor } from '../../src/cli/programs.ts';
import {
  evaluate,
  initialState,
  limit,
  loadCheckpoint,
  loadDataset,
  saveCheckpoint,
  train,
  type Checkpoint,
  type EpochRecord,
  type Network,
  type Progress,
  type RunConfig,
  type Split,
  type Tensors,
  type TrainOptions,
} from '../../src/runtime/index.ts';
import { examples } from '../support/idx.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;

const small: RunConfig = {
  schema: 1,
  mode: 'consecutive',
  eps: 0.3,
  bound: 'tanh',
  clip: true,
  seed: 1,
  batchSize: 8,
  classifierEpochs: 2,
  attackerEpochs: 2,
  learningRate: 1e-3,
  trainLimit: null,
  testLimit: null,
  data: { source: 'examples', sha256: '' },
  device: 'cpu',
  threads: 1,
};

function splitOf(count: number): Split {
  const { images, labels } = examples(count);
  return { images, labels, count, height: 28, width: 28, classes: 10 };
}

/** 26 images make three steps of 8; 260 test images make two batches. */
const splits = { train: splitOf(26), test: splitOf(260) };
const optionsFor = (config: RunConfig): TrainOptions => ({
  config,
  ...splits,
  programs: programsFor(config),
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const hashOf = (state: Tensors): string => {
  const hash = createHash('sha256');
  for (const [name, { shape, data }] of state) {
    hash.update(`${name} ${shape.join()}`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
};

/** An event, with hashes for what is large. */
type Seen =
  | Extract<Progress, { kind: 'step' | 'evaluate' }>
  | {
      readonly kind: 'epoch';
      readonly record: EpochRecord;
      readonly states: Partial<Record<Network, string>>;
    }
  | {
      readonly kind: 'done';
      readonly records: readonly EpochRecord[];
      readonly models: Record<string, string>;
    };

function seen(event: Progress): Seen {
  switch (event.kind) {
    case 'step':
    case 'evaluate':
      return event;
    case 'epoch': {
      const states = [...event.checkpoint.states].map(([network, state]) => [network, hashOf(state)]);
      return { kind: 'epoch', record: event.record, states: Object.fromEntries(states) };
    }
    case 'done': {
      const models = Object.entries(event.models).map(([name, bytes]) => [name, sha256(bytes)]);
      return { kind: 'done', records: event.position.records, models: Object.fromEntries(models) };
    }
    case 'interrupted':
      throw new Error('nothing interrupts this run');
    default:
      return event satisfies never;
  }
}

async function runThrough(config: RunConfig): Promise<Seen[]> {
  const events: Seen[] = [];
  for await (const event of train(optionsFor(config))) events.push(seen(event));
  return events;
}

const of = <K extends Seen['kind']>(kind: K, events: readonly Seen[]): Extract<Seen, { kind: K }>[] =>
  events.filter((event): event is Extract<Seen, { kind: K }> => event.kind === kind);

describe('train', () => {
  let whole: Seen[];
  beforeAll(async () => {
    whole = await runThrough(small);
  }, patience);

  it('tells every step, every test batch and every epoch, in order, and leaves out the odd images', () => {
    const steps = (network: Network, epoch: number) =>
      [8, 16, 24].map((done) => `${network} epoch ${epoch}/2 ${done}/24`);
    const tests = ['test 250/260', 'test 260/260'];
    expect(
      whole.map((event) => {
        if (event.kind === 'step') {
          const { network, epoch, epochs, done, total } = event;
          return `${network} epoch ${epoch}/${epochs} ${done}/${total}`;
        }
        if (event.kind === 'evaluate') return `test ${event.done}/${event.total}`;
        return event.kind === 'epoch' ? `${event.record.phase} ${event.record.epoch}` : event.kind;
      }),
    ).toEqual([
      ...[1, 2].flatMap((n) => [...steps('c1', n), ...steps('c2', n), ...tests, `classifier ${n}`]),
      ...[1, 2].flatMap((n) => [...steps('attacker', n), ...tests, `attacker ${n}`]),
      'done',
    ]);
  });

  it('records the mean of the training batches, and scores in their range', () => {
    const records = of('epoch', whole).map(({ record }) => record);
    expect(of('done', whole)[0]!.records).toEqual(records);
    for (const { phase, epoch, train: means, c1, c2 } of records) {
      expect(Object.keys(means)).toEqual(phase === 'attacker' ? ['attacker'] : ['c1', 'c2']);
      for (const network of Object.keys(means) as Network[]) {
        const { loss, accuracy } = means[network]!;
        const last = of('step', whole)
          .filter((step) => step.network === network && step.epoch === epoch)
          .at(-1)!;
        expect({ loss, accuracy }).toEqual({ loss: last.loss, accuracy: last.accuracy });
        expect(loss).toBeGreaterThan(0);
        expect(loss).toBeLessThan(10);
        expect(accuracy * 24).toBeCloseTo(Math.round(accuracy * 24), 6);
        expect(accuracy).toBeGreaterThanOrEqual(0);
        expect(accuracy).toBeLessThanOrEqual(1);
      }
      for (const scores of [c1, c2]) {
        expect(Object.keys(scores)).toEqual(
          phase === 'attacker' ? ['clean', 'noise', 'attacked'] : ['clean', 'noise'],
        );
        for (const { accuracy, loss } of [scores.clean, scores.noise, scores.attacked ?? scores.clean]) {
          expect(loss).toBeGreaterThan(0);
          expect(loss).toBeLessThan(100);
          expect(accuracy * 260).toBeCloseTo(Math.round(accuracy * 260), 6);
          expect(accuracy).toBeGreaterThanOrEqual(0);
          expect(accuracy).toBeLessThanOrEqual(1);
        }
      }
    }
  });

  it('trains C1 and C2 to different weights, and then leaves both as they are', () => {
    const [first, second, third, fourth] = of('epoch', whole).map(({ states }) => states);
    expect(Object.keys(second!)).toEqual(['c1', 'c2']);
    expect(second!.c1).not.toBe(second!.c2);
    expect(second!.c1).not.toBe(first!.c1);
    expect(second!.c2).not.toBe(first!.c2);
    expect(third).toEqual({ ...second, attacker: third!.attacker });
    expect(fourth).toEqual({ ...second, attacker: fourth!.attacker });
    expect(fourth!.attacker).not.toBe(third!.attacker);

    const [, after, attacked] = of('epoch', whole).map(({ record }) => record);
    expect(attacked!.c1).toEqual({ ...after!.c1, attacked: attacked!.c1.attacked });
    expect(attacked!.c2).toEqual({ ...after!.c2, attacked: attacked!.c2.attacked });
  });

  it('begins C1 and C2 with weights of their own, drawn from the seed', async () => {
    const config = { ...small, learningRate: 1e-30 }; // too small to move a weight
    const { metadata } = programsFor(config).classifierTrain;
    const uniform = metadata.state.filter(({ init }) => init.kind === 'uniform').map(({ name }) => name);
    expect(uniform).toContain('classifier/linear/weight');
    for await (const event of train(optionsFor(config))) {
      if (event.kind !== 'epoch') continue;
      for (const network of ['c1', 'c2'] as const) {
        const state = event.checkpoint.states.get(network)!;
        const drawn = initialState(metadata, [1, network]);
        expect(uniform.map((name) => state.get(name))).toEqual(uniform.map((name) => drawn.get(name)));
      }
      break;
    }
  });

  it(
    'gives the same events and the same models again',
    async () => {
      expect(await runThrough(small)).toEqual(whole);
    },
    patience,
  );

  it('gives other weights and scores for another seed', async () => {
    const other = await runThrough({ ...small, seed: 2, classifierEpochs: 1, attackerEpochs: 1 });
    const [mine] = of('epoch', whole);
    const [theirs] = of('epoch', other);
    expect(theirs!.states.c1).not.toBe(mine!.states.c1);
    expect(theirs!.states.c2).not.toBe(mine!.states.c2);
    expect(theirs!.states.c1).not.toBe(mine!.states.c2);
    expect(theirs!.record.c1.clean.loss).not.toBe(mine!.record.c1.clean.loss);
    expect(of('done', other)[0]!.models['attacker']).not.toBe(of('done', whole)[0]!.models['attacker']);
  });

  describe('interrupted', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sparring-train-'));
    });
    afterAll(async () => {
      await rm(folder, { recursive: true });
    });

    it(
      'again and again, wherever it stands, ends with the same records and the same models',
      async () => {
        const path = join(folder, 'state.safetensors');
        const options = optionsFor(small);
        const pauses = [0, 1, 3, 4, 5, 5];
        const placesOfPause = new Set<string>();
        const steps: string[] = [];
        let from: Checkpoint | null = null;
        let end: Extract<Seen, { kind: 'done' }> | undefined;
        for (let session = 0; !end && session < 40; session++) {
          const stop = new AbortController();
          let events = 0;
          let place = 'start';
          const count = pauses[session % pauses.length]!;
          if (count === 0) stop.abort();
          let saved = false;
          for await (const event of train({ ...options, from, signal: stop.signal })) {
            expect(saved, 'an event after interrupted').toBe(false);
            if (event.kind === 'interrupted') {
              await saveCheckpoint(path, event.checkpoint, 'hash');
              saved = true;
              continue;
            }
            expect(stop.signal.aborted && event.kind !== 'done', 'an event after abort').toBe(false);
            if (event.kind === 'step')
              steps.push(`${event.network} ${event.epoch} ${event.done} ${event.loss}`);
            if (event.kind === 'done') end = seen(event) as Extract<Seen, { kind: 'done' }>;
            place = event.kind === 'step' ? event.network : event.kind;
            if (++events === count) stop.abort();
          }
          if (saved) placesOfPause.add(place);
          from = await loadCheckpoint(path, 'hash');
        }
        expect([...placesOfPause].sort()).toEqual(['attacker', 'c1', 'c2', 'epoch', 'evaluate', 'start']);
        // Every step is done once, none twice.
        expect(steps).toEqual(of('step', whole).map((s) => `${s.network} ${s.epoch} ${s.done} ${s.loss}`));
        expect(end).toEqual(of('done', whole)[0]);
      },
      patience,
    );
  });

  describe('that diverges', () => {
    const message = async (config: RunConfig): Promise<string> => {
      try {
        for await (const event of train(optionsFor(config))) expect(event.kind).not.toBe('epoch');
      } catch (error) {
        return (error as Error).message;
      }
      return expect.fail('it did not diverge');
    };

    it('fails with the network, the epoch and the step', async () => {
      expect(await message({ ...small, learningRate: 1e38 })).toBe(
        'training c1 diverged: loss NaN in epoch 1, step 2; try a smaller --learning-rate',
      );
    });

    it('fails when only the scores after the last step show it', async () => {
      expect(await message({ ...small, batchSize: 26, learningRate: 1e38 })).toBe(
        'training diverged: loss NaN of c1 on clean images after classifier epoch 1; try a smaller --learning-rate',
      );
    });
  });
});

describe('on MNIST', () => {
  let mnist: Split;
  beforeAll(async () => {
    mnist = (await loadDataset('mnist')).train;
  });

  it(
    'a classifier learns fifty images by heart',
    async () => {
      const fifty = limit(mnist, 50);
      const config: RunConfig = { ...small, batchSize: 10, classifierEpochs: 30, attackerEpochs: 1 };
      const programs = programsFor(config);
      let last: Extract<Progress, { kind: 'epoch' }> | undefined;
      for await (const event of train({ config, train: fifty, test: fifty, programs })) {
        if (event.kind !== 'epoch') continue;
        last = event;
        if (event.record.epoch === config.classifierEpochs) break;
      }
      const { record, checkpoint } = last!;
      for (const network of ['c1', 'c2'] as const) {
        expect(record.train[network]!.accuracy).toBe(1);
        expect(record.train[network]!.loss).toBeLessThan(0.05);
        expect(record[network].clean.accuracy).toBe(1);
        expect(record[network].clean.loss).toBeLessThan(0.05);
      }
      const exported = programs.classifierModel(checkpoint.states.get('c1')!);
      const scoring = evaluate(fifty, { c1: exported, c2: exported }, config);
      let result = await scoring.next();
      while (!result.done) result = await scoring.next();
      expect(result.value.c1.clean).toEqual(record.c1.clean);
    },
    patience,
  );

  it(
    'an attacker fools its classifier where noise of the same size does not',
    async () => {
      const config: RunConfig = { ...small, batchSize: 20, classifierEpochs: 8, attackerEpochs: 1, eps: 0.5 };
      const options = {
        config,
        train: limit(mnist, 200),
        test: limit(mnist, 100),
        programs: programsFor(config),
      };
      let last: EpochRecord | undefined;
      for await (const event of train(options)) if (event.kind === 'epoch') last = event.record;
      expect(last!.c1.noise.accuracy).toBeGreaterThan(0.6);
      expect(last!.c1.attacked!.accuracy).toBeLessThan(last!.c1.noise.accuracy - 0.4);
      expect(last!.c1.attacked!.loss).toBeGreaterThan(last!.c1.noise.loss);
    },
    patience,
  );
});
