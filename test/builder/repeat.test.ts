import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { attackerTrain, classifierTrain } from '../../src/models/programs.ts';
import { initialState } from '../../src/runtime/session.ts';
import { stream } from '../../src/runtime/random.ts';
import { evaluateGraph } from '../support/run.ts';

const batch = 2;
const steps = 3;
const examples = 5;
const settings = { batchSize: batch, learningRate: 1e-3 };
const c = classifierTrain(settings);
const a = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });

const random = stream(1, 'repeat');
const images = Uint8Array.from({ length: examples * 784 }, () => random.below(256));
const labels = Int32Array.from({ length: examples }, () => random.below(10));
const order = [3, 0, 4, 4, 1, 2];

const bytesOf = ({ data }: b.Tensor): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** Pixels as they are stored, to float32 in 0..1. */
const pixels: b.Resident = {
  image: {
    row: { name: 'image', dtype: 'uint8', shape: [1, 28, 28] },
    from: (rows) => b.div(b.cast(rows, 'float32'), 255),
  },
  label: b.asTheyAre({ name: 'label', dtype: 'int32', shape: [batch] }),
};

describe.for([
  ['classifier', 'cpu', c],
  ['classifier', 'cuda', c],
  ['attacker', 'cpu', a],
  ['attacker', 'cuda', a],
] as const)('repeated steps of the %s, lowered for %s', ([, target, program]) => {
  it('give the bits of as many single steps', async () => {
    const lowered = { ...program, graph: b.lower(program.graph, target) };
    const begin = Object.fromEntries(initialState(program.metadata, [1, program.metadata.name]));
    const frozen = Object.fromEntries(
      [...initialState(c.metadata, [1, 'c1'])].filter(([name]) =>
        program.metadata.frozen.some((port) => port.name === name),
      ),
    );

    let state = begin;
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      const chosen = order.slice(step * batch, (step + 1) * batch);
      const image = chosen.flatMap((i) =>
        Array.from(images.subarray(i * 784, (i + 1) * 784), (p) => p / 255),
      );
      const results = await evaluateGraph(lowered.graph, {
        image: b.tensorOf('float32', [batch, 1, 28, 28], image),
        label: b.tensorOf(
          'int32',
          [batch],
          chosen.map((i) => labels[i]!),
        ),
        ...frozen,
        ...state,
      });
      losses.push(Number(results['loss']!.data[0]));
      state = Object.fromEntries(
        program.metadata.state.map(({ name, output }) => [name, results[output]!]),
      ) as typeof state;
    }

    const repeated = b.repeatSteps(lowered, pixels);
    const at = await evaluateGraph(repeated.graph, {
      indices: b.tensorOf('int64', [steps, batch], order),
      'all/image': { dtype: 'uint8', shape: [examples, 1, 28, 28], data: images },
      'all/label': { dtype: 'int32', shape: [examples], data: labels },
      ...frozen,
      ...begin,
    });
    expect(Array.from(at['loss']!.data, Number)).toEqual(losses);
    for (const { name, output } of program.metadata.state) {
      expect({ name, same: bytesOf(at[output]!).equals(bytesOf(state[name]!)) }).toEqual({
        name,
        same: true,
      });
    }
  });
});
