import { constant, type Graph, type Tensor, type Value } from './ir.ts';
import { cast, mul, sub } from './ops.ts';
import { rewrite } from './rewrite.ts';

/** Tensors with fewer elements stay as they are: they are what a byte each would save least on. */
const least = 4096;
/** Weights lie in -127..127 around this byte. */
const zero = 128;

/**
 * The graph with its large float32 weights stored as one byte an element: a quarter of the file, the same inputs and
 * outputs, arithmetic in float32. Weights are rounded to `scale * (byte - 128)`, with one scale for each line along the
 * last axis but one: for a kernel [kH,kW,in,out], one for each tap and output channel. A runtime that folds constants
 * computes the weights once, when it opens the model.
 */
export function quantizeWeights(graph: Graph): Graph {
  return rewrite(
    graph,
    () => null,
    (value) => (isLarge(value) ? dequantized(value.source.tensor, value.source.name) : value),
  );
}

const isLarge = (
  value: Value,
): value is Value & { readonly source: { readonly kind: 'constant'; readonly tensor: Tensor } } =>
  value.source.kind === 'constant' &&
  value.dtype === 'float32' &&
  value.shape.length >= 2 &&
  value.source.tensor.data.length >= least;

function dequantized({ shape, data }: Tensor, name = 'weight'): Value {
  const weights = data as Float32Array;
  const [rows, columns] = shape.slice(-2) as [number, number];
  const scales = new Float32Array(weights.length / rows);
  const lineOf = (i: number): number => Math.floor(i / (rows * columns)) * columns + (i % columns);
  weights.forEach((w, i) => (scales[lineOf(i)] = Math.max(scales[lineOf(i)]!, Math.abs(w) / 127)));
  const bytes = new Uint8Array(weights.length);
  weights.forEach((w, i) => (bytes[i] = zero + (w === 0 ? 0 : Math.round(w / scales[lineOf(i)]!))));
  const scale = constant({ dtype: 'float32', shape: shape.with(-2, 1), data: scales }, `${name}/scale`);
  return mul(sub(cast(constant({ dtype: 'uint8', shape, data: bytes }, name), 'float32'), zero), scale);
}
