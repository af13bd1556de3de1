import { expect } from 'vitest';
import {
  freeInputs,
  input,
  inputName,
  lower,
  tensorOf,
  type DType,
  type Graph,
  type Shape,
  type Target,
  type Tensor,
  type Value,
} from '../../src/builder/index.ts';
import { encode } from '../../src/onnx/index.ts';
import { InferenceSession, OrtTensor } from '../../src/runtime/ort.ts';
import type { Random } from '../../src/runtime/random.ts';

/** A graph in an ONNX Runtime session. */
export interface Opened<Name extends string> {
  /** Feeds that the outputs do not depend on are left out. */
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<Name, Tensor>>;
  close(): Promise<void>;
}

/** The graph of these outputs; its inputs are what they depend on. */
export const graphOf = (outputs: Readonly<Record<string, Value>>): Graph => ({
  name: 'test',
  inputs: freeInputs(Object.values(outputs)),
  outputs,
});

/** Opens the graph of these outputs, lowered for `target`, on one thread of the CPU. */
export const open = <Name extends string>(
  outputs: Readonly<Record<Name, Value>>,
  target: Target = 'plain',
): Promise<Opened<Name>> => openGraph<Name>(lower(graphOf(outputs), target));

/** Opens a graph as it is. */
export async function openGraph<Name extends string = string>(graph: Graph): Promise<Opened<Name>> {
  const { inputs } = graph;
  const bytes = encode(graph);
  const session = await InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  return {
    async run(feeds) {
      const fed = inputs.map((x) => {
        const name = inputName(x);
        const tensor = feeds[name];
        if (!tensor) throw new Error(`no tensor is fed to ${name}`);
        return [name, new OrtTensor(tensor.dtype, tensor.data as Float32Array, tensor.shape)] as const;
      });
      const results = await session.run(Object.fromEntries(fed));
      return Object.fromEntries(
        Object.entries(results).map(([name, { type, dims, data }]) => [
          name,
          { dtype: type as DType, shape: dims, data: data as Tensor['data'] },
        ]),
      ) as Record<Name, Tensor>;
    },
    close: () => session.release(),
  };
}

/** The outputs' values, computed by ONNX Runtime. */
export async function evaluate<Name extends string>(
  outputs: Readonly<Record<Name, Value>>,
  feeds: Readonly<Record<string, Tensor>> = {},
  target: Target = 'plain',
): Promise<Record<Name, Tensor>> {
  return (await evaluateGraph(lower(graphOf(outputs), target), feeds)) as Record<Name, Tensor>;
}

/** What a graph gives as it is. */
export async function evaluateGraph(
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>> = {},
): Promise<Record<string, Tensor>> {
  const opened = await openGraph(graph);
  try {
    return await opened.run(feeds);
  } finally {
    await opened.close();
  }
}

/** The one output's value. */
export const valueOf = async (
  y: Value,
  feeds: Readonly<Record<string, Tensor>> = {},
  target: Target = 'plain',
): Promise<Tensor> => (await evaluate({ 'the value': y }, feeds, target))['the value'];

/** A tensor's elements as numbers. */
export const numbers = ({ data }: Tensor): number[] => Array.from<number | bigint, number>(data, Number);

export const sizeOfShape = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** A tensor whose elements come from `next`, in row-major order. */
export function drawn(dtype: DType, shape: readonly number[], next: () => number): Tensor {
  const size = sizeOfShape(shape);
  if (dtype !== 'float32') return tensorOf(dtype, shape, Array.from({ length: size }, next));
  // without a list of numbers between: the attacker's state has 26 million
  const data = new Float32Array(size);
  for (let i = 0; i < size; i++) data[i] = next();
  return { dtype, shape, data };
}

/** Uniform in [low, high). */
export const between =
  (random: Random, low: number, high: number): (() => number) =>
  () =>
    low + (high - low) * random.uniform();

/** Of either sign, with a magnitude in [low, high): kept away from 0. */
export const awayFromZero =
  (random: Random, low: number, high: number): (() => number) =>
  () =>
    (random.uniform() < 0.5 ? -1 : 1) * (low + (high - low) * random.uniform());

/** Whole numbers in [low, high], both included. */
export const whole =
  (random: Random, low: number, high: number): (() => number) =>
  () =>
    low + random.below(high - low + 1);

/** One of the values. */
export const pick = <T>(random: Random, values: readonly T[]): T => values[random.below(values.length)]!;

/** What the symbols of open shapes stand for when a test runs its graph. */
const symbols: Readonly<Record<string, number>> = { batch: 3 };

/** A shape with its symbols replaced: `[196*batch,2]` -> [588, 2]. */
export const sizes = (shape: Shape): number[] =>
  shape.map((dim) =>
    typeof dim === 'number'
      ? dim
      : dim.split('*').reduce((size, part) => size * (symbols[part] ?? Number(part)), 1),
  );

/** Inputs of a graph in the making, and the tensors that are fed to them. */
export interface Feeder {
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** A new input whose tensor is drawn from `next`. */
  input(dtype: DType, shape: Shape, next: () => number): Value;
}

export function feeder(): Feeder {
  const feeds: Record<string, Tensor> = {};
  return {
    feeds,
    input(dtype, shape, next) {
      const name = `x${Object.keys(feeds).length}`;
      feeds[name] = drawn(dtype, sizes(shape), next);
      return input(name, dtype, shape);
    },
  };
}

/** How far apart two numbers may be: |actual - expected| <= atol + rtol * |expected|. */
export interface Tolerance {
  readonly rtol?: number;
  readonly atol?: number;
}

type Numbers = Tensor | ArrayLike<number>;

declare module 'vitest' {
  interface Matchers<T> {
    /**
     * Every element of a tensor (or an array of numbers) is within the tolerance of its counterpart; two tensors
     * must agree in dtype and shape too. NaN is close to nothing.
     */
    toBeAllClose(expected: Numbers, tolerance?: Tolerance): T;
  }
}

const isTensor = (x: Numbers): x is Tensor => 'dtype' in x;

function arrayOf(x: Numbers): ArrayLike<number> {
  if (!isTensor(x)) return x;
  return x.data instanceof BigInt64Array ? numbers(x) : x.data;
}

/** The position of the element `at` of a row-major tensor. */
function position(at: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = at;
  for (const dim of shape.toReversed()) {
    index.unshift(rest % dim);
    rest = Math.floor(rest / dim);
  }
  return `[${index.join()}]`;
}

expect.extend({
  toBeAllClose(received: Numbers, expected: Numbers, { rtol = 0, atol = 0 }: Tolerance = {}) {
    if (isTensor(received) && isTensor(expected)) {
      const typeOf = (x: Tensor): string => `${x.dtype}[${x.shape.join()}]`;
      if (typeOf(received) !== typeOf(expected)) {
        return { pass: false, message: () => `expected ${typeOf(expected)}, got ${typeOf(received)}` };
      }
    }
    const actual = arrayOf(received);
    const wanted = arrayOf(expected);
    if (actual.length !== wanted.length) {
      return {
        pass: false,
        message: () => `expected ${wanted.length} elements, got ${actual.length}`,
      };
    }
    let outside = 0;
    let worst = { at: -1, excess: -Infinity };
    for (let at = 0; at < actual.length; at++) {
      const [a, b] = [actual[at]!, wanted[at]!];
      const excess = a === b ? -Infinity : Math.abs(a - b) - (atol + rtol * Math.abs(b));
      if (excess <= 0) continue;
      outside++;
      if (Number.isNaN(excess) || excess > worst.excess) {
        worst = { at, excess: Number.isNaN(excess) ? Infinity : excess };
      }
    }
    const shape = isTensor(received) ? received.shape : [actual.length];
    return {
      pass: outside === 0,
      message: () =>
        outside === 0
          ? `expected the values not to be within rtol ${rtol}, atol ${atol}, and all ${actual.length} are`
          : `${outside} of ${actual.length} elements are further off than rtol ${rtol}, atol ${atol}; the worst at ` +
            `${position(worst.at, shape)}: got ${actual[worst.at]}, expected ${wanted[worst.at]}, ` +
            `difference ${Math.abs(actual[worst.at]! - wanted[worst.at]!)}`,
    };
  },
});
