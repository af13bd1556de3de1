import { input, matmul } from '../src/builder/index.ts';
import { encode } from '../src/onnx/index.ts';
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
 * `whole` counts every tap of a kernel at every position, as is usual; `unpadded` only those that lie on the image.
 */
export function attackerStepGflop(batch: number): { readonly whole: number; readonly unpadded: number } {
  // [pixels, positions] along an axis, and the product of the channels on either side
  const down = [28, 14, 7, 4].map((pixels, i) => ({
    pixels,
    positions: Math.ceil(pixels / 2),
    stride: 2,
    channels: [64, 64 * 128, 128 * 256, 256 * 512][i]!,
  }));
  const up = down.toReversed().map((layer, i) => ({
    ...layer,
    channels: [512 * 256, 256 * 128, 128 * 64, 64][i]!,
  }));
  const classifier = [
    { pixels: 28, positions: 28, stride: 1, channels: 16 },
    { pixels: 14, positions: 14, stride: 1, channels: 16 * 32 },
  ];
  const products = [
    ...down.map((layer, i) => ({ ...layer, times: i === 0 ? 2 : 3 })),
    ...up.map((layer) => ({ ...layer, times: 3 })),
    ...classifier.map((layer) => ({ ...layer, times: 2 })),
  ];
  const gflop = (taps: (layer: (typeof down)[number]) => number): number =>
    products.reduce((sum, layer) => sum + layer.times * taps(layer) ** 2 * layer.channels, 0) *
    ((2 * batch) / 1e9);
  return { whole: gflop(({ positions }) => 5 * positions), unpadded: gflop(tapsOnImage) };
}

/** Pairs of a position and a tap along an axis, for a kernel of 5 with 2 zeros before the image. */
function tapsOnImage({ pixels, positions, stride }: Readonly<Record<string, number>>): number {
  const at = Array.from({ length: positions! }, (_, o) =>
    [0, 1, 2, 3, 4].map((tap) => o * stride! - 2 + tap),
  );
  return at.flat().filter((pixel) => pixel >= 0 && pixel < pixels!).length;
}

function random(shape: readonly number[]): Tensor {
  const length = shape.reduce((x, y) => x * y, 1);
  return { dtype: 'float32', shape, data: Float32Array.from({ length }, () => Math.random() - 0.5) };
}
