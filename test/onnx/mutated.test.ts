import { expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { decode, encode } from '../../src/onnx/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { foreignFile, type ForeignNode } from '../support/foreign.ts';
import { corrupted, rewired } from '../support/mutations.ts';

const floats = (shape: readonly number[]): b.Tensor =>
  b.tensorOf(
    'float32',
    shape,
    Array.from({ length: shape.reduce((a, c) => a * c, 1) }, (_, i) => (i % 7) / 7 - 0.4),
  );
const int = (name: string, values: readonly number[]): ForeignNode => ({
  op: 'Constant',
  inputs: [],
  outputs: [name],
  attributes: { value_ints: values },
});

/** A small network with a computed shape, an activation that is composed, a pool and an attribute of each type. */
const network = foreignFile({
  opset: 17,
  inputs: [{ name: 'x', type: { dtype: 'float32', shape: ['batch', 2, 6, 6] } }],
  weights: { w: floats([4, 2, 3, 3]), b: floats([4]), fc: floats([36, 5]), k: floats([1, 1, 4, 1]) },
  nodes: [
    { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1], group: 1 } },
    { op: 'HardSwish', inputs: ['c'], outputs: ['h'] },
    int('size', [1, 4, 6, 6]),
    int('tiles', [1, 2, 1, 1]),
    int('around', [0, 0, 0, 0, 0, 0, 0, 0]),
    int('zero', [0]),
    int('one', [1]),
    int('rest', [-1]),
    { op: 'Tile', inputs: ['k', 'tiles'], outputs: ['kk'] },
    { op: 'MaxPool', inputs: ['h'], outputs: ['p'], attributes: { kernel_shape: [2, 2], strides: [2, 2] } },
    { op: 'Pad', inputs: ['p', 'around'], outputs: ['q'] },
    { op: 'Split', inputs: ['q'], outputs: ['q0', 'q1'], attributes: { axis: 1 } },
    { op: 'Concat', inputs: ['q1', 'q0'], outputs: ['s'], attributes: { axis: 1 } },
    { op: 'Shape', inputs: ['s'], outputs: ['shape'] },
    { op: 'Slice', inputs: ['shape', 'zero', 'one'], outputs: ['n'] },
    { op: 'Concat', inputs: ['n', 'rest'], outputs: ['target'], attributes: { axis: 0 } },
    { op: 'Reshape', inputs: ['s', 'target'], outputs: ['f'] },
    { op: 'LeakyRelu', inputs: ['f'], outputs: ['l'], attributes: { alpha: { float: 0.1 } } },
    { op: 'MatMul', inputs: ['l', 'fc'], outputs: ['y'] },
  ],
  outputs: ['y'],
});

/** What a file is rejected with; null when it is read and can be written. */
function rejection(bytes: Uint8Array): Error | null {
  try {
    encode(b.lower(decode(bytes).graph, 'plain'));
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** One line that names what is wrong, and not a slip of the program. */
const isClear = ({ message }: Error): boolean =>
  /^(decode|encode|input)[^:\n]*: [^\n]*$/.test(message) &&
  !/undefined|Cannot read|is not a function|not iterable|Invalid/.test(message);

test(
  '2,000 damaged files are read or rejected in one line, without a crash or a hang',
  { timeout: 120_000 },
  () => {
    const random = stream(1, 'mutated');
    const outcomes = Array.from({ length: 2000 }, (_, i) => {
      const bytes = i % 2 === 0 ? corrupted(network, random) : rewired(network, random);
      const begun = performance.now();
      return { error: rejection(bytes), milliseconds: performance.now() - begun };
    });
    const unclear = outcomes.flatMap(({ error }) => (error && !isClear(error) ? [error.stack] : []));
    expect(unclear).toEqual([]);
    expect(Math.max(...outcomes.map(({ milliseconds }) => milliseconds))).toBeLessThan(5000);
    expect(process.memoryUsage().rss).toBeLessThan(1e9);
    // small changes leave many a file whole
    const read = outcomes.filter(({ error }) => error === null).length;
    expect(read).toBeGreaterThan(100);
    expect(read).toBeLessThan(1900);
  },
);
