import { constant, input, tensorOf, type Value } from './ir.ts';
import {
  add,
  averagePool,
  batchNormalization,
  cast,
  conv,
  convTranspose,
  div,
  equal,
  exp,
  gemm,
  log,
  maxPool,
  mul,
  reduceMax,
  reduceMean,
  reduceSum,
  reduceSumSquare,
  sqrt,
  stopGradient,
  sub,
  transpose,
  unsqueeze,
} from './ops.ts';

/** How a state tensor begins. Random numbers are drawn by the runtime from the run's seed and the tensor's name. */
export type Init =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number };

/** A state tensor of a program: fed as an input, given back changed. */
export interface Variable {
  readonly name: string;
  readonly value: Value;
  readonly init: Init;
}

/** Batch statistics and their update, the running statistics, or batch statistics that move nothing (`batch`). */
export type Phase = 'train' | 'infer' | 'batch';

/** The tensors that a network declared while it was built. */
export interface Parameters {
  readonly trainable: readonly Variable[];
  /** Running statistics: state without a gradient. */
  readonly buffers: readonly Variable[];
  /** What the buffers are after a step, by name; empty in phase `infer`. */
  readonly updates: ReadonlyMap<string, Value>;
}

/** Declares a network's state under a prefix: `attacker/conv1/weight`. */
export interface Scope {
  readonly phase: Phase;
  parameter(name: string, shape: readonly number[], init: Init): Value;
  buffer(name: string, shape: readonly number[], init: Init, next: (now: Value) => Value): Value;
  within(name: string): Scope;
}

/** Runs `build` in a fresh scope and gives back its result with the parameters that it declared. */
export function declare<T>(
  prefix: string,
  phase: Phase,
  build: (scope: Scope) => T,
): { readonly result: T; readonly parameters: Parameters } {
  const trainable: Variable[] = [];
  const buffers: Variable[] = [];
  const updates = new Map<string, Value>();
  const scope = (path: string): Scope => ({
    phase,
    parameter(name, shape, init) {
      const variable = { name: `${path}/${name}`, value: input(`${path}/${name}`, 'float32', shape), init };
      trainable.push(variable);
      return variable.value;
    },
    buffer(name, shape, init, next) {
      const variable = { name: `${path}/${name}`, value: input(`${path}/${name}`, 'float32', shape), init };
      buffers.push(variable);
      if (phase === 'train') updates.set(variable.name, next(variable.value));
      return variable.value;
    },
    within: (name) => scope(`${path}/${name}`),
  });
  const result = build(scope(prefix));
  return { result, parameters: { trainable, buffers, updates } };
}

/**
 * Runs `build` once more, in inference form, on the parameters that `declare` gave under the same prefix: a network
 * that a program both trains and uses. Throws when it asks for a parameter that was not declared.
 *
 * @param phase `batch` to normalise by batch statistics instead of the running ones.
 */
export function inferWith<T>(
  { trainable, buffers }: Parameters,
  prefix: string,
  build: (scope: Scope) => T,
  phase: Exclude<Phase, 'train'> = 'infer',
): T {
  const declared = new Map([...trainable, ...buffers].map(({ name, value }) => [name, value]));
  const take = (name: string): Value => {
    const value = declared.get(name);
    if (!value) throw new Error(`nn.inferWith: ${name} was not declared`);
    return value;
  };
  const scope = (path: string): Scope => ({
    phase,
    parameter: (name) => take(`${path}/${name}`),
    buffer: (name) => take(`${path}/${name}`),
    within: (name) => scope(`${path}/${name}`),
  });
  return build(scope(prefix));
}

const zeros: Init = { kind: 'constant', value: 0 };
const ones: Init = { kind: 'constant', value: 1 };

/** Uniform in [-1/sqrt(fanIn), 1/sqrt(fanIn)]: what PyTorch gives convolutions and linear layers, weight and bias. */
export function fanInUniform(fanIn: number): Init {
  const bound = 1 / Math.sqrt(fanIn);
  return { kind: 'uniform', low: -bound, high: bound };
}

/** Square kernel, the same stride and padding in both directions. */
export interface Conv2d {
  readonly channels: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number;
  /** Transposed convolutions only: rows and columns added at the end of the output; one number where they are as many. */
  readonly outputPadding?: number | readonly number[];
}

const both = (n: number): readonly number[] => [n, n];

const channelsOf = (x: Value): number => {
  const channels = x.shape[1];
  if (typeof channels !== 'number') throw new Error(`nn: the channel count of [${x.shape}] must be known`);
  return channels;
};

/** A kernel as it is stored, [kH,kW,in,out], seen as ONNX's Conv wants it, [out,in,kH,kW]. */
const asOnnx = (stored: Value): Value => transpose(stored, [3, 2, 0, 1]);

/**
 * Convolution with bias: [N,C,H,W] -> [N,channels,OH,OW]. The kernel is stored as [kH,kW,C,channels], the order in
 * which a convolution is one matrix product, so that training never turns it round.
 */
export function conv2d(scope: Scope, x: Value, { channels, kernel, stride = 1, padding = 0 }: Conv2d): Value {
  const init = fanInUniform(channelsOf(x) * kernel * kernel);
  const weight = scope.parameter('weight', [kernel, kernel, channelsOf(x), channels], init);
  const bias = scope.parameter('bias', [channels], init);
  return conv(x, asOnnx(weight), bias, { strides: both(stride), pads: [...both(padding), ...both(padding)] });
}

/**
 * Transposed convolution with bias. The kernel is stored as that of the convolution which it transposes,
 * [kH,kW,channels,C]; its fan-in is counted as PyTorch does, over the output channels.
 */
export function convTranspose2d(
  scope: Scope,
  x: Value,
  { channels, kernel, stride = 1, padding = 0, outputPadding = 0 }: Conv2d,
): Value {
  const init = fanInUniform(channels * kernel * kernel);
  const weight = scope.parameter('weight', [kernel, kernel, channels, channelsOf(x)], init);
  const bias = scope.parameter('bias', [channels], init);
  return convTranspose(x, asOnnx(weight), bias, {
    strides: both(stride),
    pads: [...both(padding), ...both(padding)],
    output_padding: typeof outputPadding === 'number' ? both(outputPadding) : outputPadding,
  });
}

/** Fully connected layer: [N,K] -> [N,features]. Weight [features,K], as PyTorch stores it. */
export function linear(scope: Scope, x: Value, features: number): Value {
  const fanIn = channelsOf(x);
  const weight = scope.parameter('weight', [features, fanIn], fanInUniform(fanIn));
  const bias = scope.parameter('bias', [features], fanInUniform(fanIn));
  return gemm(x, weight, bias, { transB: 1 });
}

/** Options of batch normalisation, with PyTorch's defaults. */
export interface BatchNorm {
  readonly momentum?: number;
  readonly epsilon?: number;
}

/**
 * Batch normalisation over [N,C,H,W], with PyTorch's semantics: phase `train` normalises by the biased batch variance
 * and moves the running statistics by `momentum` towards the batch mean and the *unbiased* variance; phase `infer`
 * uses the running statistics (ONNX BatchNormalization). Phase `batch` normalises as `train` does, whatever the batch size, and
 * has no running statistics.
 */
export function batchNorm(scope: Scope, x: Value, { momentum = 0.1, epsilon = 1e-5 }: BatchNorm = {}): Value {
  const shape = [channelsOf(x)];
  const weight = scope.parameter('weight', shape, ones);
  const bias = scope.parameter('bias', shape, zeros);
  const axes = [0, 2, 3];
  const wide = (p: Value): Value => unsqueeze(p, [1, 2]);

  const batchMean = reduceMean(x, { axes });
  const centered = sub(x, wide(batchMean));
  const normalised = (variance: Value): Value =>
    add(mul(centered, wide(div(weight, sqrt(add(variance, epsilon))))), wide(bias));
  if (scope.phase === 'batch') return normalised(reduceMean(mul(centered, centered), { axes }));

  const count = x.shape.reduce<number>((n, dim, i) => (i === 1 ? n : n * Number(dim)), 1);
  const squares = reduceSumSquare(centered, { axes });
  const variance = div(squares, count);

  const towards = (target: Value) => (now: Value) => add(mul(now, 1 - momentum), mul(target, momentum));
  const mean = scope.buffer('running_mean', shape, zeros, towards(batchMean));
  const runningVariance = scope.buffer('running_var', shape, ones, (now) => {
    if (!(count > 1))
      throw new Error(
        `nn.batchNorm: training needs a known shape with two values a channel or more, got [${x.shape}]`,
      );
    return towards(div(squares, count - 1))(now);
  });

  if (scope.phase === 'infer') return batchNormalization(x, weight, bias, mean, runningVariance, epsilon);
  return normalised(variance);
}

/** Largest of each 2x2 square: [N,C,H,W] -> [N,C,H/2,W/2]. */
export const maxPool2 = (x: Value): Value => maxPool(x, { kernel_shape: [2, 2], strides: [2, 2] }).y;

/** Mean of each 2x2 square: [N,C,H,W] -> [N,C,H/2,W/2]. */
export const averagePool2 = (x: Value): Value => averagePool(x, { kernel_shape: [2, 2], strides: [2, 2] });

/** Class labels [N] (integers) as rows of zeros with a one: float32 [N,classes]. */
export function oneHot(labels: Value, classes: number): Value {
  const index = Array.from({ length: classes }, (_, i) => i);
  const columns = constant(tensorOf('float32', [1, classes], index));
  return cast(equal(unsqueeze(cast(labels, 'float32'), [1]), columns), 'float32');
}

/**
 * Mean over the batch of -log softmax(logits)[label]: logits [N,K], labels [N] -> scalar. Written with operators that
 * every execution provider has; the maximum is taken off first, so large logits do not overflow.
 */
export function crossEntropy(logits: Value, labels: Value): Value {
  const shifted = sub(logits, stopGradient(reduceMax(logits, { axes: [1], keepdims: true })));
  const logSumExp = log(reduceSum(exp(shifted), { axes: [1] }));
  const classes = logits.shape[1];
  if (typeof classes !== 'number') throw new Error('crossEntropy: the number of classes must be known');
  const chosen = reduceSum(mul(shifted, oneHot(labels, classes)), { axes: [1] });
  return reduceMean(sub(logSumExp, chosen));
}
