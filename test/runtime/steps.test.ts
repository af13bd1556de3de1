import { describe, expect, it } from 'vitest';
import { encodeProgram, lower, type Program } from '../../src/builder/index.ts';
import { attackerTrain, classifierTrain, onStored } from '../../src/models/programs.ts';
import { limit, loadDataset } from '../../src/runtime/datasets/index.ts';
import { initialState, type SessionOptions } from '../../src/runtime/session.ts';
import { openSteps } from '../../src/runtime/steps.ts';

const settings = { batchSize: 4, learningRate: 1e-3 };
const c = classifierTrain(settings);
const a = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });
const options = { device: 'cpu', threads: 2 } as const;
const batches = [
  [3, 1, 2, 0],
  [7, 5, 5, 6],
  [9, 8, 4, 3],
];

const bytesOf = ({ data }: { readonly data: ArrayBufferView }): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

describe.each([
  ['classifier', c],
  ['attacker', a],
] as const)('steps of the %s', (_, program) => {
  it('give the same bits one by one, in one run, in runs of two sizes, and with threads that spin', async () => {
    const split = limit((await loadDataset('mnist')).train, 10);
    const single = { ...program, graph: lower(program.graph, 'cpu') };
    const outcome = async (
      form: Program,
      runs: readonly (readonly (readonly number[])[])[],
      more: Partial<SessionOptions> = {},
    ) => {
      const file = { bytes: encodeProgram(form), metadata: form.metadata };
      const state = initialState(program.metadata, [1, 'state']);
      const steps = await openSteps(file, state, initialState(c.metadata, [1, 'c1']), split, {
        ...options,
        ...more,
      });
      const metrics: unknown[] = [];
      for (const run of runs) metrics.push(...(await steps.run(run)));
      const end = [...(await steps.state())].map(([name, tensor]) => [name, bytesOf(tensor)]);
      await steps.close();
      return { metrics, end: Object.fromEntries(end) as Record<string, string> };
    };
    const expected = await outcome(single, [batches]);
    expect(expected.metrics).toHaveLength(3);
    expect(await outcome(onStored(single), [batches])).toEqual(expected);
    expect(await outcome(onStored(single), [batches.slice(0, 2), batches.slice(2)])).toEqual(expected);
    expect(await outcome(onStored(single), [batches], { spinning: true })).toEqual(expected);
  });
});
