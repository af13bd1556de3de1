import { constantNumbers, type Value } from '../../builder/ir.ts';
import { add, cast, clip, div, mul, round, stopGradient, sub, unsqueeze } from '../../builder/ops.ts';
import { normalizeAxis } from '../../builder/shape.ts';
import type { Family, Foreign, Importer } from '../foreign.ts';

/** The least and the largest number of each type that values are quantised to. */
const ranges: Readonly<Record<string, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

/** A scale or zero point of each channel, to broadcast along its axis of `x`. */
function alongAxis(p: Value, x: Value, axis: number): Value {
  const isSingle = constantNumbers(p)?.length === 1;
  if (p.shape.length === 0 || (p.shape.length === 1 && isSingle)) return p;
  if (p.shape.length !== 1) throw new Error('blocks are not supported');
  return unsqueeze(
    p,
    x.shape.slice(normalizeAxis('QuantizeLinear', axis, x.shape.length) + 1).map((_, i) => i + 1),
  );
}

/** Rounded, with the gradient of the value itself: a straight-through estimator. */
const rounded = (x: Value): Value => add(x, stopGradient(sub(round(x), x)));

/** clip(round(x / scale) + zero, low, high), in float32: what is quantised stays differentiable. */
function quantised({ x, at, maybe, int, element }: Foreign): Value {
  const axis = int('axis', 1);
  if (int('block_size', 0)) throw new Error('blocks are not supported');
  int('saturate');
  const zero = maybe(2);
  const type = zero ? (element(2) ?? (zero.dtype === 'uint8' ? 'uint8' : undefined)) : 'uint8';
  const range = type && ranges[type];
  if (!range) throw new Error(`quantised to ${type ?? 'a type that is not known'}, which is not supported`);
  const steps = rounded(div(x, alongAxis(at(1), x, axis)));
  const shifted = zero ? add(steps, cast(alongAxis(zero, x, axis), 'float32')) : steps;
  return clip(shifted, ...range);
}

/** (x - zero) * scale */
function dequantised({ x, at, maybe, int }: Foreign): Value {
  const axis = int('axis', 1);
  if (int('block_size', 0)) throw new Error('blocks are not supported');
  const value = cast(x, 'float32');
  const zero = maybe(2);
  const centred = zero ? sub(value, cast(alongAxis(zero, x, axis), 'float32')) : value;
  return mul(centred, alongAxis(at(1), x, axis));
}

const inIntegers: Importer = () => {
  throw new Error('computes in integers, which have no gradient: bring the model before it was quantised');
};

/** Operators of quantised files that are recognised and have no gradient. */
const integers = [
  'ConvInteger',
  'MatMulInteger',
  'QLinearConv',
  'QLinearMatMul',
  'DynamicQuantizeLinear',
  'com.microsoft.QLinearAdd',
  'com.microsoft.QLinearMul',
  'com.microsoft.QLinearConcat',
  'com.microsoft.QLinearSigmoid',
  'com.microsoft.QLinearSoftmax',
  'com.microsoft.QLinearLeakyRelu',
  'com.microsoft.QLinearAveragePool',
  'com.microsoft.QLinearGlobalAveragePool',
  'com.microsoft.QGemm',
  'com.microsoft.DynamicQuantizeMatMul',
  'com.microsoft.MatMulIntegerToFloat',
  'com.microsoft.MatMulNBits',
];

export const quantisation: Family = {
  QuantizeLinear: { 10: quantised },
  DequantizeLinear: { 10: dequantised },
  'com.microsoft.QuantizeLinear': { 1: quantised },
  'com.microsoft.DequantizeLinear': { 1: dequantised },
  ...Object.fromEntries(integers.map((op) => [op, { 1: inIntegers }])),
};
