import { describe, expect, it } from 'vitest';
import { lower, type Program } from '../../../src/builder/index.ts';
import { encodeProgram } from '../../../src/onnx/index.ts';
import { attackerTrain, classifierTrain, onStored } from '../../../src/models/programs.ts';
import { limit, type StoredSource } from '../../../src/runtime/data/source.ts';
import { loadDigits } from '../../../src/runtime/experiment/digits.ts';
import { initialState, type SessionOptions } from '../../../src/runtime/session.ts';
import { openSteps } from '../../../src/runtime/training/steps.ts';
import { sourceOf } from '../../support/idx.ts';

const settings = { batchSize: 4, learningRate: 1e-3 };
const c = classifierTrain(settings);
const a = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });
const options = { device: 'cpu', threads: 2 } as const;
const batches = [
  [3, 1, 2, 0],
  [7, 5, 5, 6],
  [9, 8, 4, 3],
];

/** Colour images of another size than the paper's, in more classes than a byte counts. */
const sizes = { image: { channels: 3, height: 6, width: 5 }, classes: 300 };
const colour = sourceOf(
  {
    images: Uint8Array.from({ length: 10 * 90 }, (_, i) => (i * 89) % 251),
    labels: Int32Array.from({ length: 10 }, (_, i) => 299 - 7 * i),
  },
  sizes.image,
  sizes.classes,
);

const bytesOf = ({ data }: { readonly data: ArrayBufferView }): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

/** Metrics of each step and the state at the end, of runs of a form of a program. */
async function outcome(
  form: Program,
  runs: readonly (readonly (readonly number[])[])[],
  more: Partial<SessionOptions> = {},
  source?: StoredSource,
) {
  const images = source ?? limit((await loadDigits('mnist')).train, 10);
  const file = { bytes: encodeProgram(form), metadata: form.metadata };
  const state = initialState(form.metadata, [1, 'state']);
  const frozen = initialState(c.metadata, [1, 'c1']);
  const steps = await openSteps(file, state, frozen, images, { ...options, ...more });
  const metrics: unknown[] = [];
  for (const run of runs) metrics.push(...(await steps.run(run)));
  const end = [...(await steps.state())].map(([name, tensor]) => [name, bytesOf(tensor)]);
  await steps.close();
  return { metrics, end: Object.fromEntries(end) as Record<string, string> };
}

describe.each([
  ['classifier', c],
  ['attacker', a],
] as const)('steps of the %s', (_, program) => {
  it('give the same bits one by one, in one run, and in runs of two sizes', async () => {
    const single = { ...program, graph: lower(program.graph, 'cpu') };
    const expected = await outcome(single, [batches]);
    expect(expected.metrics).toHaveLength(3);
    expect(await outcome(onStored(single), [batches])).toEqual(expected);
    expect(await outcome(onStored(single), [batches.slice(0, 2), batches.slice(2)])).toEqual(expected);
  });

  // slow where other processes want the cores: which is why training threads do not spin
  it('give the same bits with threads that spin', { timeout: 240_000 }, async () => {
    const repeated = onStored({ ...program, graph: lower(program.graph, 'cpu') });
    const runs = [batches.slice(0, 1)];
    expect(await outcome(repeated, runs, { spinning: true })).toEqual(await outcome(repeated, runs));
  });
});

describe('steps on colour images with labels beyond 255', () => {
  it('give the same bits one by one and in one run', async () => {
    const program = classifierTrain({ ...settings, architecture: 'mlp', sizes });
    const single = { ...program, graph: lower(program.graph, 'cpu') };
    const expected = await outcome(single, [batches], {}, colour);
    expect(expected.metrics).toHaveLength(3);
    expect(await outcome(onStored(single), [batches], {}, colour)).toEqual(expected);
  });

  it('learn them by heart', async () => {
    const program = classifierTrain({ ...settings, architecture: 'mlp', sizes });
    const single = { ...program, graph: lower(program.graph, 'cpu') };
    const again = Array.from({ length: 60 }, () => batches).flat();
    const { metrics } = await outcome(onStored(single), [again], {}, colour);
    expect(metrics.slice(-3)).toMatchObject([{ accuracy: 1 }, { accuracy: 1 }, { accuracy: 1 }]);
  });
});
