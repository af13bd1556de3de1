import { encode, input, matmul } from '../src/builder/index.ts';
import { openModel, type SessionOptions, type Tensor } from '../src/runtime/index.ts';
import type { Job } from './ours.ts';
import { timed } from './timing.ts';

/** Products of the sizes that the attacker's step is made of: [rows, inner, columns]. */
export const products = [
  [1024, 1024, 1024],
  [4900, 1600, 128],
  [1600, 3200, 256],
  [400, 6400, 512],
] as const;

/** One of {@link products} in ONNX Runtime, ready to time. */
export async function openProduct(index: number, options: SessionOptions): Promise<Job> {
  const [m, k, n] = products[index]!;
  const a = input('a', 'float32', [m, k]);
  const b = input('b', 'float32', [k, n]);
  const graph = { name: 'product', inputs: [a, b], outputs: { y: matmul(a, b) } };
  const model = await openModel(encode(graph), options);
  const feeds = { a: random([m, k]), b: random([k, n]) };
  return {
    time: (runs) => timed(async () => void (await model.run(feeds)), runs),
    close: () => model.close(),
  };
}

/** GFLOP/s of a product that took so many milliseconds. */
export function rateOf(index: number, milliseconds: number): number {
  const [m, k, n] = products[index]!;
  return (2 * m * k * n) / milliseconds / 1e6;
}

/**
 * Multiplications and additions of one attacker step, in GFLOP: three products a layer (output, input gradient, weight
 * gradient), two for the first, whose input needs no gradient; and the frozen classifier's output and input gradient.
 */
export function attackerStepGflop(batch: number): number {
  const taps = 25;
  const down = [14 * 14 * 64, 7 * 7 * 64 * 128, 4 * 4 * 128 * 256, 2 * 2 * 256 * 512];
  const up = [2 * 2 * 512 * 256, 4 * 4 * 256 * 128, 7 * 7 * 128 * 64, 14 * 14 * 64];
  const attacker = [...down, ...up].reduce((sum, macs, i) => sum + macs * (i === 0 ? 2 : 3), 0);
  const classifier = 2 * (28 * 28 * 16 + 14 * 14 * 16 * 32);
  return (2 * taps * batch * (attacker + classifier)) / 1e9;
}

function random(shape: readonly number[]): Tensor {
  const length = shape.reduce((x, y) => x * y, 1);
  return { dtype: 'float32', shape, data: Float32Array.from({ length }, () => Math.random() - 0.5) };
}
