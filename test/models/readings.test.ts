import { describe, expect, test } from 'vitest';
import { bind, constant, lower, type Program } from '../../src/builder/index.ts';
import { encodeProgram } from '../../src/onnx/index.ts';
import {
  alternatingTrain,
  attackerInfer,
  attackerTrain,
  classifierInfer,
  classifierTrain,
} from '../../src/models/programs.ts';
import { readings, type Reading } from '../../src/models/readings.ts';
import * as configured from '../../src/runtime/experiment/config.ts';
import { initialState, openModel, stream, type Tensor, type Tensors } from '../../src/runtime/index.ts';
import { openTraining } from '../../src/runtime/session.ts';
import { float32 } from '../../src/runtime/tensor.ts';

const onCpu = { device: 'cpu', threads: 1 } as const;
const train = { batchSize: 4, learningRate: 1e-3, eps: 0.16, bound: 'tanh', clip: true } as const;
const alternating = (...taken: readonly Reading[]): Program =>
  alternatingTrain({ ...train, ...(taken.length > 0 && { readings: taken }) });

const random = stream('readings');
const imagesOf = (count: number): Tensor =>
  float32(
    [count, 1, 28, 28],
    Float32Array.from({ length: count * 784 }, () => random.uniform()),
  );
const image = imagesOf(4);
const label: Tensor = { dtype: 'int32', shape: [4], data: Int32Array.of(3, 1, 4, 1) };

/** Another picture in the place of one. */
function replaced(place: number): Tensor {
  const data = (image.data as Float32Array).slice();
  data.set(imagesOf(1).data as Float32Array, place * 784);
  return float32(image.shape, data);
}

const begin = ({ metadata }: Program): Tensors => initialState(metadata, [1, 'readings']);

/** Metrics of each of some steps on a batch, and the state behind them. */
async function steps(
  program: Program,
  batch: Tensor,
  count = 1,
  frozen: Tensors = new Map(),
  labels = label,
) {
  const bytes = encodeProgram({ ...program, graph: lower(program.graph, 'cpu') });
  const { metadata } = program;
  const training = await openTraining({ bytes, metadata }, begin(program), frozen, onCpu);
  const metrics: Readonly<Record<string, number>>[] = [];
  const states: Tensors[] = [];
  for (let i = 0; i < count; i++) {
    metrics.push(await training.step({ image: batch, label: labels }));
    states.push(await training.state());
  }
  await training.close();
  return { metrics, states };
}

/** What a program in use gives with these weights. */
async function output({ graph, metadata }: Program, weights: Tensors, batch: Tensor, name: string) {
  const values = metadata.frozen.map((port) => [port.name, constant(weights.get(port.name)!)] as const);
  const bytes = encodeProgram({ graph: lower(bind(graph, new Map(values)), 'plain'), metadata });
  const model = await openModel(bytes, onCpu);
  const result = (await model.run({ image: batch }))[name]!;
  await model.close();
  return result;
}

const largestMove = (before: Tensors, after: Tensors, name: string): number =>
  (after.get(name)!.data as Float32Array).reduce(
    (most, x, i) => Math.max(most, Math.abs(x - Number(before.get(name)!.data[i]))),
    0,
  );

test('the configuration of a run knows the same readings', () => {
  expect(configured.readings).toEqual(readings);
});

test('dcgan: kernels of A have a standard deviation of 0.02, and its first step moves them by 2e-4', async () => {
  const program = alternating('dcgan');
  const kernel = program.metadata.state.find(({ name }) => name === 'attacker/deconv1/weight')!;
  expect(kernel.init).toEqual({ kind: 'uniform', low: -0.02 * Math.sqrt(3), high: 0.02 * Math.sqrt(3) });
  const classifierKernel = ({ metadata }: Program) =>
    metadata.state.find(({ name }) => name === 'classifier/conv1/weight')!.init;
  expect(classifierKernel(program)).toEqual(classifierKernel(alternating()));
  const { states } = await steps(program, image);
  const moved = (name: string): number => largestMove(begin(program), states[0]!, name);
  expect(moved('attacker/deconv1/weight')).toBeCloseTo(2e-4, 6);
  expect(moved('classifier/conv1/weight')).toBeCloseTo(1e-3, 5);
});

describe('batch statistics', () => {
  test('are what C1 stands with while A learns: running ones are not even asked for', () => {
    const names = (taken: Reading): readonly string[] =>
      attackerTrain({ ...train, readings: [taken] }).metadata.frozen.map(({ name }) => name);
    for (const reading of ['target-batch-statistics', 'batch-statistics'] as const) {
      expect(names(reading).filter((name) => name.includes('running'))).toEqual([]);
    }
    expect(names('dcgan').filter((name) => name.includes('running'))).toHaveLength(4);
  });

  test('give a classifier in use the loss that it has in training', async () => {
    const learner = classifierTrain(train);
    const { metrics } = await steps(learner, image);
    const model = classifierInfer('paper', undefined, { readings: ['batch-statistics'] });
    const logits = await output(model, begin(learner), image, 'logits');
    expect(crossEntropy(logits)).toBeCloseTo(metrics[0]!['loss']!, 5);
    const running = await output(classifierInfer(), begin(learner), image, 'logits');
    expect(Math.abs(crossEntropy(running) - metrics[0]!['loss']!)).toBeGreaterThan(1e-3);
  });

  test('let A in use attack as it does in training', async () => {
    const program = attackerTrain({ ...train, readings: ['batch-statistics'] });
    const learner = classifierTrain(train);
    const { metrics } = await steps(program, image, 1, begin(learner));
    const model = attackerInfer({ ...train, readings: ['batch-statistics'] });
    const attacked = await output(model, begin(program), image, 'attacked');
    const target = classifierInfer('paper', undefined, { readings: ['batch-statistics'] });
    const logits = await output(target, begin(learner), attacked, 'logits');
    expect(crossEntropy(logits)).toBeCloseTo(metrics[0]!['loss']!, 5);
  });
});

test('five-attacker-steps: C1 waits while A takes its first step', async () => {
  const program = alternating('five-attacker-steps');
  const { states } = await steps(program, image);
  const moved = (name: string): number => largestMove(begin(program), states[0]!, name);
  expect(moved('attacker/conv1/weight')).toBeCloseTo(1e-3, 5);
  for (const name of ['classifier/conv1/weight', 'adam/m/classifier/conv1/weight', 'adam/step/classifier'])
    expect(moved(name)).toBe(0);
  expect(moved('turn/classifier')).toBe(1);
});

test('separate-batches: A learns from the first half of a batch, C1 from the second', async () => {
  const program = alternating('separate-batches');
  const first = async (batch: Tensor) => (await steps(program, batch)).metrics[0]!;
  const [usual, otherStart, otherEnd] = [
    await first(image),
    await first(replaced(0)),
    await first(replaced(3)),
  ];
  expect(otherStart['classifier/loss']).toBe(usual['classifier/loss']);
  expect(otherStart['attacker/loss']).not.toBe(usual['attacker/loss']);
  expect(otherEnd['attacker/loss']).toBe(usual['attacker/loss']);
  expect(otherEnd['classifier/loss']).not.toBe(usual['classifier/loss']);
  expect(() => alternatingTrain({ ...train, batchSize: 5, readings: ['separate-batches'] })).toThrow(
    'needs an even batch size, got 5',
  );
}, 180_000);

test('clean-too: C1 learns from the attacked images and from the clean ones, as one batch', async () => {
  const program = alternating('clean-too');
  const { metrics } = await steps(program, image);
  const model = attackerInfer({ ...train, readings: ['batch-statistics'] });
  const attacked = await output(model, begin(program), image, 'attacked');
  const both = float32(
    [8, 1, 28, 28],
    Float32Array.of(...(attacked.data as Float32Array), ...(image.data as Float32Array)),
  );
  const learner = classifierInfer('paper', undefined, { readings: ['batch-statistics'] });
  const logits = await output(learner, begin(program), both, 'logits');
  expect(crossEntropy(logits)).toBeCloseTo(metrics[0]!['classifier/loss']!, 5);
});

/** Mean over the rows, whose labels are those of the batch again and again. */
function crossEntropy({ data, shape: [rows, classes] }: Tensor): number {
  const losses = Array.from({ length: rows! }, (_, i) => {
    const logits = Array.from(data.slice(i * classes!, (i + 1) * classes!), Number);
    return Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0)) - logits[Number(label.data[i % 4])]!;
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / rows!;
}
