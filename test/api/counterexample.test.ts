import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { findCounterexample } from '../../src/api/counterexample.ts';
import { node } from '../../src/api/node.ts';
import * as b from '../../src/builder/index.ts';
import { fileOf } from '../support/classifiers.ts';

/** Two inputs in [-1,1]: y0 = relu(x0 + x1), y1 = 1. */
function network(last: (y: b.Value) => b.Value = (y) => y): Uint8Array {
  const x = b.input('x', 'float32', [1, 2]);
  const column = (values: readonly number[]) => b.constant(b.tensorOf('float32', [2, 1], values));
  const sum = b.relu(b.matmul(x, column([1, 1])));
  return fileOf({
    name: 'net',
    inputs: [x],
    outputs: { y: last(b.concat([sum, b.add(b.mul(sum, 0), 1)], 1)) },
  });
}
const property = (condition: string) => ({
  name: 'p.vnnlib',
  text: `
    (declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real) (declare-const Y_1 Real)
    (assert (<= X_0 1)) (assert (>= X_0 -1)) (assert (<= X_1 1)) (assert (>= X_1 -1)) (assert ${condition})`,
});
const options = { device: 'cpu', threads: 1, seed: 1, seconds: 20 } as const;

describe('a counterexample', () => {
  it.each([
    ['an order of outputs', '(>= Y_0 Y_1)', ([y0, y1]: number[]) => y0! >= y1!],
    ['a bound close to the largest value', '(>= Y_0 1.99)', ([y0]: number[]) => y0! >= 1.99],
    ['a conjunction', '(and (>= Y_0 0.5) (<= Y_0 0.51))', ([y0]: number[]) => y0! >= 0.5 && y0! <= 0.51],
    ['one of several', '(or (>= Y_0 3) (<= Y_0 0))', ([y0]: number[]) => y0! <= 0],
  ])('is found for %s: within the bounds, and by the file itself', async (_, condition, holds) => {
    const found = await findCounterexample(node, network(), property(condition), options);
    const { input, output } = found!;
    expect([...input].every((x) => x >= -1 && x <= 1)).toBe(true);
    // what the network is, in double precision
    expect(output[0]).toBeCloseTo(Math.max(0, input[0]! + input[1]!), 6);
    expect(holds([...output])).toBe(true);
  });

  it('is not found where there is none', async () => {
    expect(await findCounterexample(node, network(), property('(>= Y_0 2.01)'), options)).toBeNull();
    expect(await findCounterexample(node, network(), property('(<= Y_0 -0.01)'), options)).toBeNull();
  });

  it('is found behind a softmax that hides the way, and where there is no gradient', async () => {
    const order = property('(>= Y_0 Y_1)');
    const sharp = network((y) => b.softmax(b.mul(y, 200)));
    expect(await findCounterexample(node, sharp, order, options)).not.toBeNull();
    const stepped = network((y) => b.sign(b.sub(y, 0.999)));
    expect(await findCounterexample(node, stepped, order, options)).not.toBeNull();
  });

  it('names the model when it has other inputs', async () => {
    const other = property('(>= Y_0 Y_1)').text.replaceAll('X_1', 'X_2');
    await expect(
      findCounterexample(node, network(), { name: 'p.vnnlib', text: other }, options),
    ).rejects.toThrow('p.vnnlib: does not bound X_1 from below and above');
  });
});

const folder = new URL('../../../shared/truth/', import.meta.url);
describe.skipIf(!existsSync(folder))('of VNN-COMP (skipped without ../shared/truth)', () => {
  // this runs where the tests are skipped, too
  const names = existsSync(folder) ? ['verivital', 'mnist_fc', 'marabou-cifar10'] : [];
  const all = names.flatMap((name) =>
    readFileSync(new URL(`${name}/truth.csv`, folder), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => [name, ...line.split(',')] as [string, string, string, string])
      .filter(([, , , truth]) => truth !== 'unknown')
      // a few of each, for time
      .filter(([, , , truth], i) => (truth === 'sat' ? i % 12 === 0 : i % 70 === 0)),
  );

  // steps from the middle or from random points all end below it
  all.push(['mnist_fc', 'mnist-net_256x6.onnx', 'prop_1_0.05.vnnlib', 'sat']);

  const search = async (name: string, model: string, file: string, seconds: number) => {
    const text = gunzipSync(readFileSync(new URL(`${name}/${file}.gz`, folder))).toString();
    const path = fileURLToPath(new URL(`${name}/${model}`, folder));
    return await findCounterexample(node, path, { name: file, text }, { ...options, seconds });
  };

  it.each(all)('%s, %s, %s: %s', async (name, model, file, truth) => {
    const found = await search(name, model, file, 3);
    expect(found === null ? 'unsat' : 'sat').toBe(truth);
  });

  it('that only steps which heed all conditions of a conjunction find is found', async () => {
    const file = 'networkcifar10_medium_index2317_eps0.012_target6_orig5.vnnlib';
    expect(await search('marabou-cifar10', 'cifar10_medium.onnx', file, options.seconds)).not.toBeNull();
  });
});
