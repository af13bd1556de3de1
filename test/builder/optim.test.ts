import { expect, test } from 'vitest';
import {
  everyNth,
  input,
  mul,
  nn,
  projected,
  reduceSum,
  sgd,
  trainStep,
  type Optimizer,
} from '../../src/builder/index.ts';
import { encodeProgram } from '../../src/onnx/index.ts';
import { openTraining } from '../../src/runtime/session.ts';
import { float32, type Tensor } from '../../src/runtime/tensor.ts';

/** Where w = 0 goes with the loss w x, whose gradient of w is x: its value after each step. */
async function walk(
  optimizer: Optimizer,
  gradients: readonly number[],
  state: readonly (readonly [string, Tensor])[] = [],
): Promise<readonly number[]> {
  const x = input('x', 'float32', [1]);
  const { result, parameters } = nn.declare('net', 'train', (scope) =>
    reduceSum(mul(scope.parameter('w', [1], { kind: 'constant', value: 0 }), x)),
  );
  const program = trainStep({
    name: 'line',
    loss: result,
    parameters,
    optimizer,
    data: [x],
    metrics: { loss: result },
  });
  const begin = new Map([['net/w', float32([1], Float32Array.of(0))] as const, ...state]);
  const file = { bytes: encodeProgram(program), metadata: program.metadata };
  const training = await openTraining(file, begin, new Map(), { device: 'cpu', threads: 1 });
  const weights: number[] = [];
  for (const gradient of gradients) {
    await training.step({ x: float32([1], Float32Array.of(gradient)) });
    weights.push(Number((await training.state()).get('net/w')!.data[0]));
  }
  await training.close();
  return weights.map((w) => w + 0);
}

test('an optimizer at every third call moves at the third and the sixth, by the gradient of that call', async () => {
  const turn = ['turn/net', float32([], Float32Array.of(0))] as const;
  const weights = await walk(everyNth(sgd({ learningRate: 1 }), 3, 'net'), [1, 2, 3, 4, 5, 6, 7], [turn]);
  expect(weights).toEqual([0, 0, -3, -3, -3, -9, -9]);
});

test('a projected optimizer leaves no parameter outside, and comes back from the edge at once', async () => {
  const weights = await walk(projected(sgd({ learningRate: 1 }), -1, 1), [-0.5, -5, 0.25, 9]);
  expect(weights).toEqual([0.5, 1, 0.75, -1]);
});
