import { describe, expect, it } from 'vitest';
import {
  gemm,
  inference,
  input,
  lower,
  mul,
  nn,
  reduceMean,
  sgd,
  sub,
  tensorOf,
  trainStep,
  type Program,
} from '../../src/builder/index.ts';
import { encodeProgram } from '../../src/onnx/index.ts';
import { classifierTrain } from '../../src/models/programs.ts';
import {
  initialState,
  openModel,
  openTraining,
  type ProgramFile,
  type Tensor,
  type Tensors,
} from '../../src/runtime/index.ts';
import { foreignFile } from '../support/foreign.ts';

const onCpu = { device: 'cpu', threads: 1 } as const;
const learningRate = 0.5;
const file = (program: Program): ProgramFile => ({
  bytes: encodeProgram({ ...program, graph: lower(program.graph, 'cpu') }),
  metadata: program.metadata,
});
const float32 = (shape: readonly number[], ...values: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
});

/** Least squares: y = x w^T, loss mean((y - scale * target)^2), one step of gradient descent; `scale` is frozen. */
function leastSquares(): ProgramFile {
  const x = input('x', 'float32', [2, 2]);
  const target = input('target', 'float32', [2, 1]);
  const fit = nn.declare('fit', 'train', (scope) =>
    gemm(x, scope.parameter('weight', [1, 2], { kind: 'constant', value: 0 }), null, { transB: 1 }),
  );
  const frozen = nn.declare('goal', 'infer', (scope) =>
    scope.parameter('scale', [1], { kind: 'constant', value: 1 }),
  );
  const off = sub(fit.result, mul(target, frozen.result));
  const loss = reduceMean(mul(off, off));
  return file(
    trainStep({
      name: 'least-squares',
      loss,
      parameters: fit.parameters,
      frozen: [frozen.parameters],
      optimizer: sgd({ learningRate }),
      data: [x, target],
      metrics: { loss },
    }),
  );
}

const data = { x: float32([2, 2], 1, 2, -1, 0.5), target: float32([2, 1], 3, 1) };
const weight = (...values: readonly number[]): Tensors =>
  new Map([['fit/weight', float32([1, 2], ...values)]]);
const scale: Tensors = new Map([['goal/scale', float32([1], 2)]]);

/** The same step written out: loss before it, weights after it. */
function step([a, b]: readonly [number, number]): { loss: number; after: [number, number] } {
  const off = [a + 2 * b - 6, -a + 0.5 * b - 2] as const;
  const gradient = [off[0] - off[1], 2 * off[0] + 0.5 * off[1]] as const;
  return {
    loss: (off[0] ** 2 + off[1] ** 2) / 2,
    after: [a - learningRate * gradient[0], b - learningRate * gradient[1]],
  };
}

describe('openTraining', () => {
  it('gives the metrics of a step and moves the state on, step after step', async () => {
    const training = await openTraining(leastSquares(), weight(0.25, -1), scale, onCpu);
    let expected: [number, number] = [0.25, -1];
    for (let i = 0; i < 3; i++) {
      const { loss, after } = step(expected);
      const metrics = await training.step(data);
      expect(metrics['loss']).toBeCloseTo(loss, 4);
      const state = await training.state();
      expect([...state.keys()]).toEqual(['fit/weight']);
      expect(state.get('fit/weight')!.shape).toEqual([1, 2]);
      after.forEach((value, at) => expect(Number(state.get('fit/weight')!.data[at])).toBeCloseTo(value, 4));
      expected = after;
    }
    await training.close();
  });

  it('gives copies of the state, which later steps do not change, and which do not change later steps', async () => {
    const begin = weight(0.25, -1);
    const training = await openTraining(leastSquares(), begin, scale, onCpu);
    const copies = [];
    for (let i = 0; i < 3; i++) {
      await training.step(data);
      copies.push((await training.state()).get('fit/weight')!.data);
    }
    const values = copies.map((copy) => [...copy].map(Number));
    const { after } = step([0.25, -1]);
    const { after: last } = step(step(after).after);
    after.forEach((value, at) => expect(values[0]![at]).toBeCloseTo(value, 4));
    last.forEach((value, at) => expect(values[2]![at]).toBeCloseTo(value, 4));

    copies[2]!.fill(0 as never);
    expect([...(await training.state()).get('fit/weight')!.data]).toEqual(values[2]);
    expect([...begin.get('fit/weight')!.data]).toEqual([0.25, -1]);
    await training.close();
  });

  it('goes on from a state that it gave, to the same bits as without a break', async () => {
    const program = leastSquares();
    const unbroken = await openTraining(program, weight(0.25, -1), scale, onCpu);
    for (let i = 0; i < 4; i++) await unbroken.step(data);

    const first = await openTraining(program, weight(0.25, -1), scale, onCpu);
    for (let i = 0; i < 2; i++) await first.step(data);
    const second = await openTraining(program, await first.state(), scale, onCpu);
    for (let i = 0; i < 2; i++) await second.step(data);

    expect(await second.state()).toEqual(await unbroken.state());
    for (const training of [unbroken, first, second]) await training.close();
  });

  it.each<[string, Tensors, Tensors, string]>([
    ['a state that is missing', new Map(), scale, 'least-squares: state fit/weight is missing'],
    [
      'a state of another shape',
      new Map([['fit/weight', float32([2, 1], 0, 0)]]),
      scale,
      'least-squares: state fit/weight is float32 [2,1], expected float32 [1,2]',
    ],
    [
      'a frozen weight that is missing',
      weight(0, 0),
      new Map(),
      'least-squares: weight goal/scale is missing',
    ],
    [
      'a frozen weight of another shape',
      weight(0, 0),
      new Map([['goal/scale', float32([], 2)]]),
      'least-squares: weight goal/scale is float32 [], expected float32 [1]',
    ],
  ])('refuses %s, by name', async (_, state, frozen, message) => {
    await expect(openTraining(leastSquares(), state, frozen, onCpu)).rejects.toThrow(new Error(message));
  });
});

describe('openModel', () => {
  it('runs a model on batches of any size, and gives outputs with dtype and shape', async () => {
    const x = input('x', 'float32', ['batch', 2]);
    const program = inference({ name: 'twice', data: [x], parameters: [], outputs: { y: mul(x, 2) } });
    const model = await openModel(file(program).bytes, onCpu);
    expect(await model.run({ x: float32([1, 2], 1, 2) })).toEqual({ y: float32([1, 2], 2, 4) });
    expect(await model.run({ x: float32([2, 2], 1, 2, 3, 4) })).toEqual({
      y: float32([2, 2], 2, 4, 6, 8),
    });
    await model.close();
  });

  it('refuses bytes that are no model', async () => {
    await expect(openModel(Uint8Array.of(1, 2, 3), onCpu)).rejects.toThrow('protobuf');
  });
});

describe('initialState', () => {
  const { metadata } = classifierTrain({ batchSize: 8, learningRate: 1e-3 });
  const state = initialState(metadata, [7, 'c1']);
  const bits = (tensors: Tensors): string =>
    [...tensors].map(([name, { data }]) => `${name}: ${data.join()}`).join('\n');

  it('holds every state tensor in the shape that the metadata says', () => {
    expect([...state].map(([name, { dtype, shape }]) => ({ name, dtype, shape }))).toEqual(
      metadata.state.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    );
  });

  const uniform = metadata.state.flatMap(({ name, init }) =>
    init.kind === 'uniform' ? [{ name, low: init.low, high: init.high }] : [],
  );
  const constant = metadata.state.flatMap(({ name, init }) =>
    init.kind === 'constant' ? [{ name, value: init.value }] : [],
  );

  it.each(constant)('fills $name with $value', ({ name, value }) => {
    expect(new Set(state.get(name)!.data as Float32Array)).toEqual(new Set([value]));
  });

  it.each(uniform)('spreads $name over $low to $high', ({ name, low, high }) => {
    const values = [...(state.get(name)!.data as Float32Array)];
    expect(Math.min(...values)).toBeGreaterThanOrEqual(Math.fround(low));
    expect(Math.max(...values)).toBeLessThanOrEqual(Math.fround(high));
    expect(new Set(values).size / values.length).toBeGreaterThan(0.99);
    // Six standard errors, for the mean and the variance of a uniform distribution.
    const unit = values.map((value) => (value - low) / (high - low));
    const mean = unit.reduce((sum, value) => sum + value, 0) / unit.length;
    const variance = unit.reduce((sum, value) => sum + (value - mean) ** 2, 0) / unit.length;
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(6 * Math.sqrt(1 / 12 / unit.length));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(6 * Math.sqrt(1 / 180 / unit.length));
  });

  it('is the same for the same seed and network, and another for others', () => {
    expect(bits(initialState(metadata, [7, 'c1']))).toBe(bits(state));
    for (const path of [
      [8, 'c1'],
      [7, 'c2'],
    ]) {
      const other = initialState(metadata, path);
      for (const { name } of uniform) {
        expect(other.get(name)!.data.join(), `values of ${name}`).not.toBe(state.get(name)!.data.join());
      }
    }
  });

  it('follows the rule of the metadata, worked out here with 64-bit integers', () => {
    expect(metadata.initialisation).toMatch(
      /uniform: float32\(low \+ \(high - low\) \* u\) in row-major order/,
    );
    expect(metadata.initialisation).toMatch(
      /\[run seed, network .*, "init", tensor name\] with the seeds 1, 2, 3 and 4/,
    );
    expect(uniform.map(({ name }) => name)).toContain('classifier/linear/weight');
    for (const { name, low, high } of uniform) {
      const draw = xoroshiro128plus([7, 'c1', 'init', name]);
      const expected = Float32Array.from(
        { length: state.get(name)!.data.length },
        () => low + (high - low) * draw(),
      );
      expect(state.get(name)!.data.join(), `values of ${name}`).toBe(expected.join());
    }
  });
});

/** xoroshiro128+ (Blackman and Vigna 2018), its state hashed from a path; 24 bits of each number as a fraction. */
function xoroshiro128plus(path: readonly (string | number)[]): () => number {
  const key = JSON.stringify(path);
  const word = (high: number, low: number): bigint => (murmur3(key, high) << 32n) | murmur3(key, low);
  const cut = (x: bigint): bigint => BigInt.asUintN(64, x);
  const rotl = (x: bigint, k: bigint): bigint => cut(x << k) | (x >> (64n - k));
  let [s0, s1] = [word(1, 2), word(3, 4)];
  return () => {
    const result = cut(s0 + s1);
    const mixed = s0 ^ s1;
    s0 = rotl(s0, 24n) ^ mixed ^ cut(mixed << 16n);
    s1 = rotl(mixed, 37n);
    return Number((result & 0xffffffffn) >> 8n) / 2 ** 24;
  };
}

/** MurmurHash3_x86_32 over the UTF-16 code units, a block each. */
function murmur3(text: string, seed: number): bigint {
  const cut = (x: bigint): bigint => BigInt.asUintN(32, x);
  const rotl = (x: bigint, k: bigint): bigint => cut(x << k) | (x >> (32n - k));
  let h = BigInt(seed);
  for (let i = 0; i < text.length; i++) {
    h ^= cut(rotl(cut(BigInt(text.charCodeAt(i)) * 0xcc9e2d51n), 15n) * 0x1b873593n);
    h = cut(rotl(h, 13n) * 5n + 0xe6546b64n);
  }
  h ^= BigInt(text.length);
  h = cut((h ^ (h >> 16n)) * 0x85ebca6bn);
  h = cut((h ^ (h >> 13n)) * 0xc2b2ae35n);
  return h ^ (h >> 16n);
}

it('pads with zeros before a max-pool, as the file says', async () => {
  const pads = tensorOf('int64', [8], [0, 0, 1, 1, 0, 0, 1, 1]);
  const bytes = foreignFile({
    opset: 15,
    inputs: [{ name: 'x', type: { dtype: 'float32', shape: [1, 1, 2, 2] } }],
    weights: { pads },
    nodes: [
      { op: 'Pad', inputs: ['x', 'pads'], outputs: ['padded'] },
      {
        op: 'MaxPool',
        inputs: ['padded'],
        outputs: ['y'],
        attributes: { kernel_shape: [2, 2], strides: [2, 2] },
      },
    ],
    outputs: ['y'],
  });
  const model = await openModel(bytes, onCpu);
  try {
    const { y } = await model.run({ x: float32([1, 1, 2, 2], -1, -2, -3, -4) });
    expect([...y!.data]).toEqual([0, 0, 0, 0]);
  } finally {
    await model.close();
  }
});
