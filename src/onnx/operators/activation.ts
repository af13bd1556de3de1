import type { Value } from '../../builder/ir.ts';
import {
  abs,
  add,
  clip,
  div,
  erf,
  exp,
  greater,
  log,
  max,
  min,
  mul,
  neg,
  reshapeTo,
  reshape,
  shapeOf,
  sigmoid,
  softmax,
  logSoftmax,
  sub,
  tanh,
  where,
} from '../../builder/ops.ts';
import { normalizeAxis, reshapeTarget, sizeOf } from '../../builder/shape.ts';
import type { Family, Foreign } from '../foreign.ts';
import { primitive } from './primitive.ts';

/** x for x > 0, alpha (exp(x) - 1) below; exp never sees a large number, whose infinity would spoil the gradient. */
const elu = (x: Value, alpha: number): Value => add(max(x, 0), mul(sub(exp(min(x, 0)), 1), alpha));

/** log(1 + exp(x)) = max(x, 0) - log(sigmoid(|x|)) */
export const softplus = (x: Value): Value => sub(max(x, 0), log(sigmoid(abs(x))));

/** x/2 (1 + erf(x / sqrt(2))) */
export const gelu = (x: Value): Value => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));

/** x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
export const geluByTanh = (x: Value): Value => {
  const inner = mul(mul(x, add(mul(mul(x, x), 0.044715), 1)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
};

export const hardSigmoid = (x: Value, alpha: number, beta: number): Value =>
  clip(add(mul(x, alpha), beta), 0, 1);

/** x where it is positive, slope * x elsewhere; the slope broadcasts to x. */
export const prelu = (x: Value, slope: Value): Value => add(max(x, 0), mul(slope, min(x, 0)));

/** Before opset 13, over all axes from `axis` on as if they were one. */
const overTheRest =
  (f: (x: Value, axis: number) => Value) =>
  ({ x, int }: Foreign): Value => {
    const rank = x.shape.length;
    const axis = normalizeAxis('Softmax', int('axis', 1), rank);
    if (axis === rank - 1) return f(x, -1);
    const rest = sizeOf(x.shape.slice(axis));
    const target = reshapeTarget([...x.shape.slice(0, axis), rest]);
    if (!target) throw new Error('needs known sizes; bind the open ones');
    const y = f(reshape(x, target), -1);
    const back = reshapeTarget(x.shape);
    return back ? reshape(y, back) : reshapeTo(y, shapeOf(x));
  };

export const activation: Family = {
  Relu: { 1: primitive('Relu') },
  Sigmoid: { 1: primitive('Sigmoid') },
  Tanh: { 1: primitive('Tanh') },
  LeakyRelu: { 1: primitive('LeakyRelu') },
  PRelu: { 7: ({ x, at }) => prelu(x, at(1)) },
  Elu: { 1: ({ x, float }) => elu(x, float('alpha', 1)) },
  Selu: {
    1: ({ x, float }) => mul(elu(x, float('alpha', 1.6732631921768188)), float('gamma', 1.0507010221481323)),
  },
  // max(0, x) + min(0, alpha (exp(x / alpha) - 1))
  Celu: {
    12: ({ x, float }) => {
      const alpha = float('alpha', 1);
      return add(max(x, 0), mul(sub(exp(div(min(x, 0), alpha)), 1), alpha));
    },
  },
  ThresholdedRelu: { 10: ({ x, float }) => where(greater(x, float('alpha', 1)), x, 0) },
  Softplus: { 1: ({ x }) => softplus(x) },
  Softsign: { 1: ({ x }) => div(x, add(abs(x), 1)) },
  Mish: { 18: ({ x }) => mul(x, tanh(softplus(x))) },
  Gelu: {
    20: ({ x, text }) => (text('approximate', 'none') === 'tanh' ? geluByTanh(x) : gelu(x)),
  },
  HardSigmoid: { 6: ({ x, float }) => hardSigmoid(x, float('alpha', 0.2), float('beta', 0.5)) },
  HardSwish: { 14: ({ x }) => mul(x, hardSigmoid(x, 1 / 6, 0.5)) },
  // x where |x| > lambd, moved towards 0 by bias
  Shrink: {
    9: ({ x, float }) => {
      const [lambd, bias] = [float('lambd', 0.5), float('bias', 0)];
      return add(where(greater(neg(x), lambd), add(x, bias), 0), where(greater(x, lambd), sub(x, bias), 0));
    },
  },
  Swish: { 24: ({ x, float }) => mul(x, sigmoid(mul(x, float('alpha', 1)))) },
  Softmax: { 1: overTheRest(softmax), 13: primitive('Softmax') },
  LogSoftmax: { 1: overTheRest(logSoftmax), 13: primitive('LogSoftmax') },
  'com.microsoft.Gelu': { 1: ({ x }) => gelu(x) },
  'com.microsoft.FastGelu': { 1: ({ x, maybe }) => geluByTanh(maybe(1) ? add(x, maybe(1)!) : x) },
  'com.microsoft.BiasGelu': { 1: ({ x, at }) => gelu(add(x, at(1))) },
  'com.microsoft.QuickGelu': {
    1: ({ x, float }) => mul(x, sigmoid(mul(x, float('alpha', 1.7020000219345093)))),
  },
};
