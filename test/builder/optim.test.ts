import { expect, test } from 'vitest';
import { everyNth, input, mul, nn, reduceSum, sgd, trainStep } from '../../src/builder/index.ts';
import { encodeProgram } from '../../src/onnx/index.ts';
import { openTraining } from '../../src/runtime/session.ts';
import { float32 } from '../../src/runtime/tensor.ts';

test('an optimizer at every third call moves at the third and the sixth, by the gradient of that call', async () => {
  const x = input('x', 'float32', [1]);
  const { result, parameters } = nn.declare('net', 'train', (scope) =>
    reduceSum(mul(scope.parameter('w', [1], { kind: 'constant', value: 0 }), x)),
  );
  const program = trainStep({
    name: 'line',
    loss: result,
    parameters,
    optimizer: everyNth(sgd({ learningRate: 1 }), 3, 'net'),
    data: [x],
    metrics: { loss: result },
  });
  const begin = new Map([
    ['net/w', float32([1], Float32Array.of(0))],
    ['turn/net', float32([], Float32Array.of(0))],
  ]);
  const file = { bytes: encodeProgram(program), metadata: program.metadata };
  const training = await openTraining(file, begin, new Map(), { device: 'cpu', threads: 1 });
  const weights: number[] = [];
  for (let call = 1; call <= 7; call++) {
    // the gradient of w is x
    await training.step({ x: float32([1], Float32Array.of(call)) });
    weights.push(Number((await training.state()).get('net/w')!.data[0]));
  }
  await training.close();
  expect(weights.map((w) => 0 - w)).toEqual([0, 0, 3, 3, 3, 9, 9]);
});
