import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import * as onnx from '../../../src/onnx/index.ts';
import { programsFor } from '../../../src/cli/experiment/programs.ts';
import { attackerTrain } from '../../../src/models/programs.ts';
import {
  ClassifierRecord,
  classifiersOf,
  EpochRecord,
  evaluate,
  initialState,
  limit,
  loadCheckpoint,
  loadDigits,
  modelsOf,
  saveCheckpoint,
  trainCell,
  trainClassifiers,
  type CellConfig,
  type Checkpoint,
  type Network,
  type Progress,
  type ProgramFile,
  type Programs,
  type StoredSource,
  type Tensors,
} from '../../../src/runtime/index.ts';
import { examples, sourceOf } from '../../support/idx.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;

const small: CellConfig = {
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

function splitOf(count: number): StoredSource {
  return sourceOf(examples(count));
}

/** 26 images make three steps of 8; 260 test images make two batches. */
const splits = { train: splitOf(26), test: splitOf(260) };
interface Options {
  readonly config: CellConfig;
  readonly train: StoredSource;
  readonly test: StoredSource;
  readonly programs: Programs;
  readonly runTime?: number;
}
const optionsFor = (config: CellConfig): Options => ({
  config,
  ...splits,
  programs: programsFor(config),
  runTime: 0, // an event a step
});

/** Where a cell stands: in its classifiers, or with those in the cell itself. */
interface Place {
  readonly classifiers: Checkpoint<ClassifierRecord> | null;
  readonly cell: Checkpoint | null;
}

type CellEvent =
  | { readonly part: 'classifiers'; readonly event: Progress<ClassifierRecord> }
  | { readonly part: 'cell'; readonly event: Progress };

/** A cell from its classifiers on, or from a place in it. */
async function* wholeCell(
  { config, ...options }: Options,
  from: Place = { classifiers: null, cell: null },
  signal = new AbortController().signal,
): AsyncGenerator<CellEvent, void> {
  const [own] = classifiersOf([config]);
  let { classifiers } = from;
  for await (const event of trainClassifiers({
    ...options,
    config: own!,
    from: classifiers,
    signal,
  })) {
    if (event.kind === 'done') classifiers = event.checkpoint;
    else yield { part: 'classifiers', event };
    if (event.kind === 'interrupted') return;
  }
  const begin = { ...options, config, classifiers: classifiers!, from: from.cell, signal };
  for await (const event of trainCell(begin)) yield { part: 'cell', event };
}

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

function seen({ part, event }: CellEvent, programs: Programs): Seen {
  switch (event.kind) {
    case 'step':
    case 'evaluate':
      return event;
    case 'epoch': {
      const states = [...event.checkpoint.states].map(([network, state]) => [network, hashOf(state)]);
      return { kind: 'epoch', record: asCells(event.record), states: Object.fromEntries(states) };
    }
    case 'done': {
      if (part !== 'cell') throw new Error('classifiers are not the end');
      const { position, states } = event.checkpoint as Checkpoint;
      const models = Object.entries(modelsOf(states, programs)).map(([name, bytes]) => [name, sha256(bytes)]);
      return { kind: 'done', records: position.records, models: Object.fromEntries(models) };
    }
    case 'interrupted':
      throw event.error ?? new Error('nothing interrupts this run');
    default:
      return event satisfies never;
  }
}

/** A record of classifiers as the cell has it, which is of the only eps. */
function asCells(record: EpochRecord | ClassifierRecord): EpochRecord {
  if ('phase' in record) return record;
  const { epoch, train, scores } = record;
  expect(scores).toHaveLength(1);
  return { phase: 'classifier', epoch, train, c1: scores[0]!.c1, c2: scores[0]!.c2 };
}

/** The attacker's program, one step a run, with a node that fails after so many. */
function failsAfter(steps: number, config: CellConfig): ProgramFile {
  const { graph, metadata } = attackerTrain(config);
  const step = graph.inputs.find((x) => b.inputName(x) === 'adam/step/attacker')!;
  const zeros = b.constant(b.tensorOf('float32', [steps], new Array<number>(steps).fill(0)));
  const loss = b.add(graph.outputs['loss']!, b.gather(zeros, b.cast(step, 'int64'), 0));
  const failing = b.lower({ ...graph, outputs: { ...graph.outputs, loss } }, 'cpu');
  return { bytes: onnx.encodeProgram({ graph: failing, metadata }), metadata };
}

async function runThrough(config: CellConfig): Promise<Seen[]> {
  const options = optionsFor(config);
  const events: Seen[] = [];
  for await (const event of wholeCell(options)) events.push(seen(event, options.programs));
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
          const { networks, epoch, epochs, done, total } = event;
          return `${networks.join()} epoch ${epoch}/${epochs} ${done}/${total}`;
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
          .filter((step) => step.networks[0] === network && step.epoch === epoch)
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
    for await (const { event } of wholeCell(optionsFor(config))) {
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

  describe('in turns', () => {
    const config: CellConfig = { ...small, mode: 'alternating' };
    let events: Seen[];
    beforeAll(async () => {
      events = await runThrough(config);
    }, patience);

    it('begins with the classifiers of consecutive training', () => {
      const before = (all: readonly Seen[]) =>
        of('epoch', all).filter(({ record }) => record.phase === 'classifier');
      expect(before(events)).toEqual(before(whole));
    });

    it('then trains A with C1, and C2 alone, for as many epochs', () => {
      const phase = events.slice(
        events.findLastIndex((e) => e.kind === 'epoch' && e.record.phase === 'classifier') + 1,
      );
      const steps = (who: string, n: number) => [8, 16, 24].map((done) => `${who} ${n}/2 ${done}/24`);
      expect(
        of('step', phase).map((e) => `${e.networks.join()} ${e.epoch}/${e.epochs} ${e.done}/${e.total}`),
      ).toEqual([1, 2].flatMap((n) => [...steps('attacker,c1', n), ...steps('c2', n)]));
      for (const { record, states } of of('epoch', phase)) {
        expect(Object.keys(record.train)).toEqual(['c1', 'c2', 'attacker']);
        expect(Object.keys(states)).toEqual(['c1', 'c2', 'attacker']);
        expect(record.c1.attacked).toBeDefined();
        expect(record.c2.attacked).toBeDefined();
      }
    });

    it('moves all three, C2 as if it had been trained for longer', async () => {
      const [, second, third, fourth] = of('epoch', events).map(({ states }) => states);
      expect(third!.c1).not.toBe(second!.c1);
      expect(fourth!.c1).not.toBe(third!.c1);
      expect(fourth!.attacker).not.toBe(third!.attacker);
      const { programs, ...options } = optionsFor(config);
      const [own] = classifiersOf([{ ...config, classifierEpochs: 4 }]);
      const longer: (string | undefined)[] = [];
      for await (const event of trainClassifiers({ ...options, programs, config: own! })) {
        if (event.kind === 'epoch') longer.push(hashOf(event.checkpoint.states.get('c2')!));
      }
      expect([second!.c2, third!.c2, fourth!.c2]).toEqual(longer.slice(1));
    });
  });

  it('in runs of several steps ends with the same records and the same models', async () => {
    const config: CellConfig = { ...small, classifierEpochs: 1, attackerEpochs: 1 };
    const options = optionsFor(config);
    const ends: Seen[] = [];
    const steps: number[] = [];
    for (const runTime of [0, 60_000]) {
      let count = 0;
      for await (const each of wholeCell({ ...options, runTime })) {
        if (each.event.kind === 'step') count++;
        if (each.event.kind === 'done' && each.part === 'cell') ends.push(seen(each, options.programs));
      }
      steps.push(count);
    }
    expect(steps).toEqual([9, 6]); // three networks: three steps each, or one and then two
    expect(ends[1]).toEqual(ends[0]);
  });

  describe('interrupted', () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sparring-train-'));
    });
    afterAll(async () => {
      await rm(folder, { recursive: true });
    });

    it.each(['consecutive', 'alternating'] as const)(
      'again and again, wherever it stands, ends with the same records and the same models: %s',
      async (mode) => {
        const short = mode === 'alternating' && { classifierEpochs: 1, attackerEpochs: 1 };
        const config = { ...small, mode, ...short };
        const undisturbed = short ? await runThrough(config) : whole;
        const options = optionsFor(config);
        const files = {
          classifiers: join(folder, `${mode}-classifiers`),
          cell: join(folder, `${mode}-cell`),
        };
        const pauses = short ? [0, 1, 3, 4, 3, 1] : [0, 1, 3, 4, 5, 5];
        const placesOfPause = new Set<string>();
        const steps: string[] = [];
        let from: Place = { classifiers: null, cell: null };
        let end: Seen | undefined;
        for (let session = 0; !end && session < 40; session++) {
          const stop = new AbortController();
          let events = 0;
          let place = 'start';
          const count = pauses[session % pauses.length]!;
          if (count === 0) stop.abort();
          let saved = false;
          for await (const { part, event } of wholeCell(options, from, stop.signal)) {
            expect(saved, 'an event after interrupted').toBe(false);
            if (event.kind === 'interrupted') {
              if (event.error) throw event.error;
              await saveCheckpoint(files[part], event.checkpoint, 'hash');
              saved = true;
              continue;
            }
            if (event.kind === 'epoch') await saveCheckpoint(files[part], event.checkpoint, 'hash');
            expect(stop.signal.aborted && event.kind !== 'done', 'an event after abort').toBe(false);
            if (event.kind === 'step')
              steps.push(`${event.networks.join()} ${event.epoch} ${event.done} ${event.loss}`);
            if (event.kind === 'done') end = seen({ part, event } as CellEvent, options.programs);
            place = event.kind === 'step' ? event.networks.join() : event.kind;
            if (++events === count) stop.abort();
          }
          if (saved) placesOfPause.add(place);
          from = {
            classifiers: await loadCheckpoint(files.classifiers, 'hash', ClassifierRecord),
            cell: await loadCheckpoint(files.cell, 'hash', EpochRecord),
          };
        }
        const attacking = mode === 'consecutive' ? 'attacker' : 'attacker,c1';
        expect([...placesOfPause].sort()).toEqual([attacking, 'c1', 'c2', 'epoch', 'evaluate', 'start']);
        // Every step is done once, none twice.
        expect(steps).toEqual(
          of('step', undisturbed).map((s) => `${s.networks.join()} ${s.epoch} ${s.done} ${s.loss}`),
        );
        expect(end).toEqual(of('done', undisturbed)[0]);
        expect(JSON.stringify(end)).toBe(JSON.stringify(of('done', undisturbed)[0]));
      },
      patience,
    );
  });

  it(
    'ends with a checkpoint of the last step when the session fails, and goes on from it to the same models',
    async () => {
      const options = optionsFor(small);
      const { programs } = options;
      const failing = { ...programs, attackerTrain: failsAfter(2, small) };
      let last: CellEvent | undefined;
      for await (const event of wholeCell({ ...options, programs: failing })) last = event;
      const event = last!.event as Extract<Progress, { kind: 'interrupted' }>;
      expect(last).toMatchObject({ part: 'cell', event: { kind: 'interrupted' } });
      expect(event.error?.message).toContain('out of data bounds');
      expect(event.checkpoint.position.running.attacker?.steps).toBe(2);

      const classifiers = { position: { records: [], running: {} }, states: new Map() };
      const cell = trainCell({ ...options, classifiers, from: event.checkpoint });
      let end: Seen | undefined;
      for await (const more of cell) {
        if (more.kind === 'done') end = seen({ part: 'cell', event: more }, programs);
      }
      expect(end).toEqual(of('done', whole)[0]);
    },
    patience,
  );

  describe('that diverges', () => {
    const message = async (config: CellConfig): Promise<string> => {
      try {
        for await (const { event } of wholeCell(optionsFor(config))) expect(event.kind).not.toBe('epoch');
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
  let mnist: StoredSource;
  beforeAll(async () => {
    mnist = (await loadDigits('mnist')).train;
  });

  it(
    'a classifier learns fifty images by heart',
    async () => {
      const fifty = limit(mnist, 50);
      const config: CellConfig = { ...small, batchSize: 10, classifierEpochs: 30, attackerEpochs: 1 };
      const programs = programsFor(config);
      const [own] = classifiersOf([config]);
      let last: Extract<Progress<ClassifierRecord>, { kind: 'epoch' }> | undefined;
      for await (const event of trainClassifiers({ config: own!, train: fifty, test: fifty, programs })) {
        if (event.kind === 'epoch') last = event;
      }
      const record = asCells(last!.record);
      const { checkpoint } = last!;
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
      const config: CellConfig = {
        ...small,
        batchSize: 20,
        classifierEpochs: 8,
        attackerEpochs: 1,
        eps: 0.5,
      };
      const options = {
        config,
        train: limit(mnist, 200),
        test: limit(mnist, 100),
        programs: programsFor(config),
      };
      let last: EpochRecord | undefined;
      for await (const { event } of wholeCell(options))
        if (event.kind === 'epoch') last = asCells(event.record);
      expect(last!.c1.noise.accuracy).toBeGreaterThan(0.6);
      expect(last!.c1.attacked!.accuracy).toBeLessThan(last!.c1.noise.accuracy - 0.4);
      expect(last!.c1.attacked!.loss).toBeGreaterThan(last!.c1.noise.loss);
    },
    patience,
  );
});
