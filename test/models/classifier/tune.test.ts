import { describe, expect, it } from 'vitest';
import { input, inputName, type Value } from '../../../src/builder/index.ts';
import type { Classifier } from '../../../src/models/classifier/classifier.ts';
import { hasGraph, readClassifier } from '../../../src/models/classifier/read.ts';
import { tunable, weightPrefix } from '../../../src/models/classifier/tune.ts';
import { fileWeights } from '../../../src/onnx/index.ts';
import { drawnClassifier, fileOf } from '../../support/classifiers.ts';
import { foreignFile } from '../../support/foreign.ts';
import { evaluateGraph } from '../../support/run.ts';
import { frozenNames, trainable, trainedNames } from '../../support/trainable.ts';
import { stream } from '../../../src/runtime/random.ts';
import { tensorOf, type Graph } from '../../../src/builder/index.ts';
import { openModel } from '../../../src/runtime/session.ts';
import { float32 } from '../../../src/runtime/tensor.ts';

const read = (bytes: Uint8Array): Classifier => {
  const found = readClassifier(bytes);
  if (!hasGraph(found)) throw new Error(found.noGradient!);
  return found;
};

const batch = 3;

describe('the weights of a classifier of another tool', () => {
  const { bytes } = trainable();
  const tuned = tunable(bytes, read(bytes), batch);

  it('are trained where they weigh, and frozen where they are statistics or preprocessing', () => {
    expect(tuned.trained.map(({ name }) => name)).toEqual(trainedNames);
    expect(Object.fromEntries(tuned.frozen.map(({ name, why }) => [name, why]))).toEqual(frozenNames);
  });

  it('have the names, shapes and numbers of the initializers', () => {
    const file = new Map(fileWeights(bytes).map((weight) => [weight.name, weight]));
    for (const weight of tuned.trained) expect(weight).toEqual(file.get(weight.name));
    expect(tuned.parameters.trainable.map(({ name, value }) => [name, [...value.shape]])).toEqual(
      tuned.trained.map(({ name, shape }) => [`${weightPrefix}${name}`, shape]),
    );
  });

  it('give the logits of the file in ONNX Runtime', async () => {
    const image = input('image', 'float32', [batch, 1, 28, 28]);
    const random = stream(1, 'tune');
    const pixels = Float32Array.from({ length: batch * 784 }, () => random.uniform());
    const ours = await evaluateGraph(graphOf(image, tuned.logits(image), tuned.parameters.trainable), {
      image: tensorOf('float32', [batch, 1, 28, 28], [...pixels]),
      ...Object.fromEntries(
        tuned.trained.map(({ name, shape, data }) => [
          `${weightPrefix}${name}`,
          tensorOf('float32', shape, [...data]),
        ]),
      ),
    });
    const model = await openModel(bytes, { device: 'cpu', threads: 1 });
    const file = await model.run({ pixels: float32([batch, 28, 28, 1], pixels) });
    await model.close();
    expect(ours['logits']!.data).toBeAllClose(file['scores']!.data as Float32Array, {
      rtol: 1e-4,
      atol: 1e-4,
    });
  });
});

const graphOf = (image: Value, logits: Value, parameters: readonly { readonly value: Value }[]): Graph => ({
  name: 'tuned',
  inputs: [image, ...parameters.map(({ value }) => value)],
  outputs: { logits },
});

it('freezes the statistics of batch norm alone in a file of ours', () => {
  const bytes = fileOf(drawnClassifier(stream(1, 'tune')));
  const { trained, frozen } = tunable(bytes, read(bytes), batch);
  expect(frozen.map(({ name }) => name)).toEqual([
    'classifier/norm1/running_mean',
    'classifier/norm1/running_var',
    'classifier/norm2/running_mean',
    'classifier/norm2/running_var',
  ]);
  expect(trained).toHaveLength(10);
});

it('opens the weights of a file of one batch size for any', () => {
  const shape = [1, 1, 28, 28];
  const bytes = foreignFile({
    opset: 17,
    inputs: [{ name: 'image', type: { dtype: 'float32', shape } }],
    weights: {
      rows: { dtype: 'int64', shape: [2], data: BigInt64Array.of(1n, 784n) },
      w: tensorOf(
        'float32',
        [784, 10],
        Array.from({ length: 7840 }, (_, i) => Math.sin(i)),
      ),
    },
    nodes: [
      { op: 'Reshape', inputs: ['image', 'rows'], outputs: ['row'] },
      { op: 'MatMul', inputs: ['row', 'w'], outputs: ['logits'] },
    ],
    outputs: [{ name: 'logits', type: { dtype: 'float32', shape: [1, 10] } }],
  });
  const tuned = tunable(bytes, read(bytes), batch);
  const image = input('image', 'float32', [batch, 1, 28, 28]);
  expect(tuned.logits(image).shape).toEqual([batch, 10]);
  expect(tuned.parameters.trainable.map(({ value }) => inputName(value))).toEqual(['weight/w']);
});

it('rejects a file without weights and one whose weights are quantised', () => {
  const image = { name: 'image', type: { dtype: 'float32', shape: ['n', 10] } } as const;
  const none = foreignFile({
    opset: 17,
    inputs: [{ ...image, type: { dtype: 'float32', shape: ['n', 1, 1, 10] } }],
    nodes: [{ op: 'Flatten', inputs: ['image'], outputs: ['logits'] }],
    outputs: [{ name: 'logits', type: { dtype: 'float32', shape: ['n', 10] } }],
  });
  expect(() => tunable(none, read(none), batch)).toThrow(
    'it has no weights to train: no initializer of floating-point numbers reaches its logits',
  );
  const quantised = foreignFile({
    opset: 17,
    inputs: [{ name: 'image', type: { dtype: 'float32', shape: ['n', 1, 1, 10] } }],
    weights: {
      scale: tensorOf('float32', [], [0.1]),
      zero: { dtype: 'uint8', shape: [], data: Uint8Array.of(0) },
      w: { dtype: 'uint8', shape: [10, 10], data: Uint8Array.from({ length: 100 }, (_, i) => i) },
    },
    nodes: [
      { op: 'DequantizeLinear', inputs: ['w', 'scale', 'zero'], outputs: ['w32'] },
      { op: 'Flatten', inputs: ['image'], outputs: ['row'] },
      { op: 'MatMul', inputs: ['row', 'w32'], outputs: ['logits'] },
    ],
    outputs: [{ name: 'logits', type: { dtype: 'float32', shape: ['n', 10] } }],
  });
  expect(() => tunable(quantised, read(quantised), batch)).toThrow(
    'it cannot be trained: its weights are quantised (DequantizeLinear); harden the float model',
  );
});
