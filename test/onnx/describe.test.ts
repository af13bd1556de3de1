import { expect, it } from 'vitest';
import { tensorOf } from '../../src/builder/index.ts';
import { describeModel, intermediates, withOutputs } from '../../src/onnx/index.ts';
import { InferenceSession, OrtTensor } from '../../src/runtime/ort.ts';
import { foreignFile } from '../support/foreign.ts';

const bytes = foreignFile({
  opset: 15,
  inputs: [
    { name: 'x', type: { dtype: 'float32', shape: ['n', 2] } },
    { name: 'w', type: { dtype: 'float32', shape: [2, 3] } },
  ],
  nodes: [
    { op: 'MatMul', inputs: ['x', 'w'], outputs: ['z'] },
    { op: 'Neg', inputs: ['x'], outputs: ['other'] },
    { op: 'Relu', inputs: ['z'], outputs: ['r'] },
    { op: 'Softmax', inputs: ['r'], outputs: ['p'] },
  ],
  weights: { w: tensorOf('float32', [2, 3], [1, -2, 3, 4, 5, -6]) },
  outputs: ['p', 'other'],
});

it('a file says its ports, operators and parameters', () => {
  expect(describeModel(bytes)).toMatchObject({
    name: 'foreign',
    producer: 'another tool',
    ir: 8,
    opsets: { 'ai.onnx': 15, 'com.microsoft': 1 },
    inputs: [{ name: 'x', element: 'float32', shape: ['n', 2] }],
    outputs: [
      { name: 'p', element: null, shape: null, operator: 'Softmax' },
      { name: 'other', operator: 'Neg' },
    ],
    operators: { MatMul: 1, Neg: 1, Relu: 1, Softmax: 1 },
    parameters: 6,
    external: [],
    metadata: {},
  });
});

it('bytes that are no model are rejected', () => {
  expect(() => describeModel(Uint8Array.of(255, 1))).toThrow('decode: the bytes are not an ONNX model');
});

it('what an output depends on is known in order, and a model gives it', async () => {
  const inside = intermediates(bytes, 'p');
  expect(inside.map(({ name, operator }) => `${name} ${operator}`)).toEqual([
    'z MatMul',
    'r Relu',
    'p Softmax',
  ]);
  const session = await InferenceSession.create(withOutputs(bytes, ['z', 'r']), { logSeverityLevel: 4 });
  const { z, r } = await session.run({ x: new OrtTensor('float32', Float32Array.of(1, 1), [1, 2]) });
  await session.release();
  expect(z!.data).toEqual(Float32Array.of(5, 3, -3));
  expect(r!.data).toEqual(Float32Array.of(5, 3, 0));
});
