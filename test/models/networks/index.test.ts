import { describe, expect, test } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import * as onnx from '../../../src/onnx/index.ts';
import { networks, type Architecture } from '../../../src/models/networks/index.ts';
import { classifierInfer, classifierTrain } from '../../../src/models/programs.ts';
import { architectures, initialState, openTraining } from '../../../src/runtime/index.ts';
import { examples } from '../../support/idx.ts';

const declare = (architecture: Architecture) => {
  const image = b.input('image', 'float32', ['batch', 1, 28, 28]);
  return b.nn.declare('classifier', 'infer', (scope) => networks[architecture](scope, image));
};

test('the command line offers the architectures that there are', () => {
  expect([...architectures].toSorted()).toEqual(Object.keys(networks).toSorted());
});

describe.for<readonly [Architecture, parameters: number, layers: readonly string[]]>([
  ['mlp', 235_146, ['Gemm [batch,256]', 'Gemm [batch,128]', 'Gemm [batch,10]']],
  [
    'lenet5',
    61_706,
    [
      'Conv [batch,6,28,28]',
      'AveragePool [batch,6,14,14]',
      'Conv [batch,16,10,10]',
      'AveragePool [batch,16,5,5]',
      'Gemm [batch,120]',
      'Gemm [batch,84]',
      'Gemm [batch,10]',
    ],
  ],
  [
    'resnet',
    78_090,
    [
      'Conv [batch,16,28,28]',
      'Conv [batch,16,28,28]',
      'Conv [batch,16,28,28]',
      'Conv [batch,32,14,14]',
      'Conv [batch,32,14,14]',
      'Conv [batch,32,14,14]',
      'Conv [batch,64,7,7]',
      'Conv [batch,64,7,7]',
      'Conv [batch,64,7,7]',
      'GlobalAveragePool [batch,64,1,1]',
      'Gemm [batch,10]',
    ],
  ],
])('%s', ([architecture, parameters, layers]) => {
  test('has the parameters and layers that it says', () => {
    const { result, parameters: own } = declare(architecture);
    const sizes = own.trainable.map(({ value }) => Number(b.sizeOf(value.shape)));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(parameters);
    const named = new Set(['Conv', 'Gemm', 'AveragePool', 'GlobalAveragePool']);
    const shown = b.topologicalOrder([result]).filter(({ op }) => named.has(op));
    expect(shown.map(({ op, outputs: [y] }) => `${op} ${b.showShape(y!.shape)}`)).toEqual(layers);
  });

  test('learns what is easy to learn', async () => {
    const batchSize = 10;
    const program = classifierTrain({ batchSize, learningRate: 1e-3, architecture });
    const { images, labels } = examples(batchSize);
    const data = {
      image: b.tensorOf(
        'float32',
        [batchSize, 1, 28, 28],
        [...images].map((pixel) => pixel / 255),
      ),
      label: b.tensorOf('int32', [batchSize], [...labels]),
    };
    const training = await openTraining(
      {
        bytes: onnx.encodeProgram({ ...program, graph: b.lower(program.graph, 'cpu') }),
        metadata: program.metadata,
      },
      initialState(program.metadata, [1, 'c1']),
      new Map(),
      { device: 'cpu', threads: 1 },
    );
    const losses: number[] = [];
    for (let step = 0; step < 25; step++) losses.push((await training.step(data as never))['loss']!);
    await training.close();
    expect(losses[0]).toBeGreaterThan(2);
    expect(losses.at(-1)).toBeLessThan(0.5 * losses[0]!);
  });

  test('says what it is in its programs, and the paper says nothing', () => {
    expect(classifierInfer(architecture).metadata.options).toEqual({ architecture });
    expect(classifierInfer().metadata.options).toEqual({});
  });
});
