import type { Value } from '../../builder/ir.ts';
import {
  add,
  averagePool,
  batchNormalization,
  div,
  mul,
  pow,
  reduceMean,
  sqrt,
  sub,
  unsqueeze,
} from '../../builder/ops.ts';
import { evaluate } from '../../builder/evaluate.ts';
import { normalizeAxis, sizeOf } from '../../builder/shape.ts';
import type { Family, Foreign, Importer } from '../foreign.ts';
import { reshapeAs } from './movement.ts';

interface Moments {
  readonly mean: Value;
  readonly centred: Value;
  readonly deviation: Value;
}

/** Mean and standard deviation over some axes; the axes stay as 1. */
function moments(x: Value, axes: readonly number[], epsilon: number): Moments {
  const mean = reduceMean(x, { axes, keepdims: true });
  const centred = sub(x, mean);
  const variance = reduceMean(mul(centred, centred), { axes, keepdims: true });
  return { mean, centred, deviation: sqrt(add(variance, epsilon)) };
}

const axesFrom = (x: Value, first: number): readonly number[] =>
  x.shape.slice(first).map((_, i) => first + i);

/** (x - mean) / sqrt(variance + epsilon) * scale + bias, over the axes from `axis` on. */
function layerNorm(
  x: Value,
  { at, maybe, int, float, outputs }: Foreign,
  scaleAt: number,
): readonly (Value | null)[] {
  const axis = normalizeAxis('LayerNormalization', int('axis', -1), x.shape.length);
  int('stash_type');
  const { mean, centred, deviation } = moments(x, axesFrom(x, axis), float('epsilon', 1e-5));
  const scaled = mul(div(centred, deviation), at(scaleAt));
  const bias = maybe(scaleAt + 1);
  return [bias ? add(scaled, bias) : scaled, mean, outputs[2] ? div(1, deviation) : null];
}

/** x / sqrt(mean(x^2) + epsilon) * scale, over the axes from `axis` on. */
function rmsNorm(x: Value, { at, int, float }: Foreign, scaleAt: number): Value {
  const axis = normalizeAxis('RMSNormalization', int('axis', -1), x.shape.length);
  int('stash_type');
  const squares = reduceMean(mul(x, x), { axes: axesFrom(x, axis), keepdims: true });
  return mul(div(x, sqrt(add(squares, float('epsilon', 1e-5)))), at(scaleAt));
}

/** [C] as [C,1,...], to broadcast over the space of `x`. */
const perChannel = (p: Value, x: Value): Value =>
  unsqueeze(
    p,
    x.shape.slice(2).map((_, i) => i + 1),
  );

function batchNorm(node: Foreign): Value {
  const { x, at, float, int } = node;
  const [isTraining, isSpatial] = [int('training_mode', 0), int('spatial', 1)];
  float('momentum');
  if (isTraining && !evaluate(x)) {
    throw new Error('it computes its own statistics: the model was exported in training mode');
  }
  if (!isSpatial) throw new Error('spatial 0 is not supported');
  if (!isTraining) return batchNormalization(x, at(1), at(2), at(3), at(4), float('epsilon', 1e-5));
  // weights are standardised with it
  const { centred, deviation } = moments(x, [0, ...axesFrom(x, 2)], float('epsilon', 1e-5));
  return add(mul(div(centred, deviation), perChannel(at(1), x)), perChannel(at(2), x));
}

function instanceNorm({ x, at, float }: Foreign): Value {
  const { centred, deviation } = moments(x, axesFrom(x, 2), float('epsilon', 1e-5));
  return add(mul(div(centred, deviation), perChannel(at(1), x)), perChannel(at(2), x));
}

/** Over the channels of each group and the space; the scale is one of each group (18) or of each channel (21). */
const groupNorm =
  (isPerChannel: boolean): Importer =>
  ({ x, at, int, float }) => {
    const groups = int('num_groups', 1);
    int('stash_type');
    const [n, channels, ...space] = x.shape;
    const own = typeof channels === 'number' ? channels / groups : NaN;
    if (!Number.isInteger(own)) throw new Error(`${channels} channels do not make ${groups} groups`);
    const parts = reshapeAs(x, [n!, groups, sizeOf([own, ...space])]);
    const { centred, deviation } = moments(parts, [2], float('epsilon', 1e-5));
    const normal = div(centred, deviation);
    if (isPerChannel) {
      return add(mul(reshapeAs(normal, x.shape), perChannel(at(1), x)), perChannel(at(2), x));
    }
    return reshapeAs(add(mul(normal, unsqueeze(at(1), [1])), unsqueeze(at(2), [1])), x.shape);
  };

/** x / (bias + alpha / size * sum of squares of the channels around)^beta */
function localResponse({ x, int, float }: Foreign): Value {
  const size = int('size', 1);
  const [n, channels, ...space] = x.shape;
  const squares = reshapeAs(mul(x, x), [n!, 1, channels!, sizeOf(space)]);
  const before = Math.floor((size - 1) / 2);
  const mean = averagePool(squares, {
    kernel_shape: [size, 1],
    strides: [1, 1],
    pads: [before, 0, size - 1 - before, 0],
    count_include_pad: 1,
  });
  const around = reshapeAs(mean, x.shape);
  return mul(x, pow(add(mul(around, float('alpha', 1e-4)), float('bias', 1)), -float('beta', 0.75)));
}

/** Over given axes, without scale: those of each channel by default. */
function meanVariance({ x, ints }: Foreign): Value {
  const { centred, deviation } = moments(x, ints('axes') ?? [0, 2, 3], 1e-9);
  return div(centred, deviation);
}

/** A sum of two values, normalised; the sum is the last output. */
const skip =
  (norm: (x: Value, node: Foreign) => Value | null | undefined): Importer =>
  (node) => {
    const bias = node.maybe(4);
    const sum = add(node.x, node.at(1));
    const total = bias ? add(sum, bias) : sum;
    return [norm(total, node) ?? null, null, null, total];
  };

export const normalisation: Family = {
  BatchNormalization: { 7: batchNorm },
  InstanceNormalization: { 6: instanceNorm },
  LayerNormalization: { 1: (node) => layerNorm(node.x, node, 1) },
  GroupNormalization: { 18: groupNorm(false), 21: groupNorm(true) },
  RMSNormalization: { 23: (node) => rmsNorm(node.x, node, 1) },
  LRN: { 1: localResponse },
  MeanVarianceNormalization: { 9: meanVariance },
  // ONNX Runtime writes it into ONNX's own domain
  SimplifiedLayerNormalization: { 1: (node) => rmsNorm(node.x, node, 1) },
  'com.microsoft.SkipLayerNormalization': { 1: skip((x, node) => skipped(x, node)) },
};

/** Scale and bias of SkipLayerNormalization stand after what is added. */
function skipped(x: Value, { at, maybe, float }: Foreign): Value {
  const { centred, deviation } = moments(x, [x.shape.length - 1], float('epsilon', 1e-12));
  const scaled = mul(div(centred, deviation), at(2));
  return maybe(3) ? add(scaled, maybe(3)!) : scaled;
}
