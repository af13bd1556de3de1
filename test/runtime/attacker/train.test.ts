import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { trainingProgram } from '../../../src/cli/attacker/programs.ts';
import type { AttackerPlan } from '../../../src/models/attackers.ts';
import { loadAttackerCheckpoint, saveAttacker } from '../../../src/runtime/attacker/checkpoint.ts';
import { epochDraws } from '../../../src/runtime/attacker/draws.ts';
import {
  trainAttacker,
  type AttackerCheckpoint,
  type AttackerOptions,
} from '../../../src/runtime/attacker/train.ts';
import { writeCheckpoint } from '../../../src/runtime/training/checkpoint-file.ts';
import { stream } from '../../../src/runtime/random.ts';
import { inputFailure } from '../../support/failure.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { sourceOf } from '../../support/idx.ts';
import { smallClassifier } from '../../support/oracles.ts';

const folder = temporaryFolder();
const image = { channels: 3, height: 8, width: 6 };
const classes = 5;
const random = stream(1, 'pixels');
const { stored: _, ...source } = sourceOf(
  {
    images: Uint8Array.from({ length: 22 * 144 }, () => random.below(256)),
    labels: Int32Array.from({ length: 22 }, () => random.below(classes)),
  },
  image,
  classes,
);
const victim = smallClassifier(stream(2, 'victim'), image, classes);

function optionsOf(kind: AttackerPlan['kind']): AttackerOptions {
  const eps = [0, 0.2] as const;
  const plan: AttackerPlan = { kind, image, classes, eps, bound: 'tanh', targeted: true, width: 2 };
  const training = { batchSize: 4, learningRate: 0.01, objective: 'ce', spread: 0.1 } as const;
  const program = trainingProgram(plan, training, [victim], 'cpu');
  const session = { device: 'cpu', threads: 1 } as const;
  return { plan, program, source, session, seed: 3, epochs: 3, batchSize: 4, runTime: 0 };
}

/** Trains until so many steps were seen, or to the end. */
async function trained(options: AttackerOptions, stopAfter = Infinity): Promise<AttackerCheckpoint> {
  const stop = new AbortController();
  const work = trainAttacker({ ...options, signal: stop.signal });
  let next = await work.next();
  for (let steps = 0; !next.done; next = await work.next()) {
    if (next.value.kind === 'step' && ++steps >= stopAfter) stop.abort();
  }
  return next.value;
}

describe.each(['generator', 'universal'] as const)('training an attacker of kind %s', (kind) => {
  it('gives the same bits when it is stopped at five moments and resumed from its file', async () => {
    const options = optionsOf(kind);
    const whole = await trained(options);
    expect(whole.epochs.map(({ steps }) => steps)).toEqual([5, 5, 5]);
    const path = join(folder(), 'checkpoint');
    let from: AttackerCheckpoint | null = null;
    for (const steps of [1, 4, 2, 3, 1, Infinity]) {
      from = await trained({ ...options, from }, steps);
      await saveAttacker(path, from, 'settings');
      from = await loadAttackerCheckpoint(path, 'settings');
    }
    expect(from).toEqual(whole);
  });

  it('gives the same bits however many steps run together', async () => {
    const options = optionsOf(kind);
    expect(await trained({ ...options, runTime: 1e6 })).toEqual(await trained(options));
  });

  it('gives other bits for another seed', async () => {
    const options = optionsOf(kind);
    const [one, other] = [await trained(options), await trained({ ...options, seed: 4 })];
    expect(other.epochs).not.toEqual(one.epochs);
  });

  it('lowers its loss', async () => {
    const { epochs } = await trained({ ...optionsOf(kind), epochs: 12 });
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss - 0.01);
  });
});

it('draws eps from the whole range, and every class but the label', () => {
  const { eps, ahead } = epochDraws(2000, { eps: [0.1, 0.3], classes: 4 }, 1, 1);
  const [least, largest] = [Math.min(...eps), Math.max(...eps)];
  expect([least >= 0.1, least < 0.101, largest <= Math.fround(0.3), largest > 0.299]).not.toContain(false);
  expect(new Set(ahead)).toEqual(new Set([1, 2, 3]));
  expect(epochDraws(2000, { eps: [0.1, 0.3], classes: 4 }, 1, 2).eps).not.toEqual(eps);
});

describe('a checkpoint', () => {
  const checkpoint: AttackerCheckpoint = {
    epochs: [],
    running: { steps: 1, loss: 0.5, success: 0.25 },
    state: new Map([['a', { dtype: 'float32', shape: [1], data: new Float32Array(1) }]]),
  };

  it('is null where there is none', async () => {
    expect(await loadAttackerCheckpoint(join(folder(), 'none'), 'x')).toBeNull();
  });

  it('of other settings is rejected', async () => {
    const path = join(folder(), 'checkpoint');
    await saveAttacker(path, checkpoint, 'one');
    expect(await inputFailure(loadAttackerCheckpoint(path, 'other'))).toBe(
      `${path}: is of a training with another classifier, data, option or version; repeat its command, or start again ` +
        'with --force',
    );
  });

  it.each([
    [
      'sparring-attacker-checkpoint-1',
      'is of another version of sparring; resume it with that version, or remove it to start again',
    ],
    ['sparring-checkpoint-1', 'is no checkpoint of an attacker; remove it to start again'],
  ])('of the format %s is rejected', async (format, why) => {
    const path = join(folder(), 'checkpoint');
    const { state: tensors, ...position } = checkpoint;
    await writeCheckpoint(path, { format }, { tensors, position, notes: {} }, 'one');
    expect(await inputFailure(loadAttackerCheckpoint(path, 'one'))).toBe(`${path}: ${why}`);
  });
});
