import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import * as ortTraining from '../../src/ort-training/index.ts';

const { check, modelsFor } = ortTraining;

const names = ['one', 'two'] as const;

/** Two linear layers, declared in this order, trained for a cross-entropy, and the program that measures them. */
function network(order: readonly (typeof names)[number][] = names) {
  const [x, label] = [b.input('x', 'float32', [2, 3]), b.input('label', 'int32', [2])];
  const build = (phase: b.nn.Phase) =>
    b.nn.declare('net', phase, (scope) => {
      const layers = order.map((name) => [name, b.nn.linear(scope.within(name), x, 3)] as const);
      return b.add(new Map(layers).get('one')!, new Map(layers).get('two')!);
    });
  const { result, parameters } = build('train');
  const loss = b.nn.crossEntropy(result, label);
  const optimizer = b.adam();
  const step: b.TrainStep = {
    name: 'net-train',
    loss,
    parameters,
    optimizer,
    data: [x, label],
    metrics: { loss },
  };
  const own = build('infer');
  const evaluation = b.inference({
    name: 'net-eval',
    data: [x, label],
    parameters: [own.parameters],
    outputs: { loss: b.nn.crossEntropy(own.result, label) },
  });
  return { step, evaluation };
}

const { step, evaluation } = network();
const models = modelsFor(step, evaluation);
const trainable = new Map(step.parameters.trainable.map(({ name, value }) => [name, value] as const));
const none = new Map<string, b.Type>();
const checkpoint = { trainable, frozen: none, first: none, second: none };

describe('the models of a training step', () => {
  it('give the same bytes each time, and fit the checkpoint', () => {
    expect(modelsFor(step, evaluation)).toEqual(models);
    expect(() => check(models, checkpoint)).not.toThrow();
    expect(() => check(models, { ...checkpoint, first: trainable, second: trainable })).not.toThrow();
  });

  it('write in place where the training API looks, and nowhere else', () => {
    const { graph, opsetImport } = onnxProto.onnx.ModelProto.decode(models.training);
    const own = graph!.node!.filter(({ domain }) => domain);
    expect(own.map(({ opType, input, output }) => [opType, input, output])).toEqual(
      [...trainable.keys()].map((name) => [
        'InPlaceAccumulatorV2',
        [`${name}_grad.accumulation.buffer`, `${name}_grad`, 'lazy_reset_grad'],
        [`${name}_grad.accumulation.out`],
      ]),
    );
    expect(graph!.node!.slice(-own.length)).toEqual(own);
    expect(opsetImport!.map(({ domain, version }) => [domain, Number(version)])).toEqual([
      ['', 17],
      ['com.microsoft', 1],
    ]);
  });

  it("have an optimizer with PyTorch's formula and our settings", () => {
    const { optimizer } = modelsFor(step, evaluation, { beta1: 0.5, epsilon: 0.25 });
    const [node, ...others] = onnxProto.onnx.ModelProto.decode(optimizer).graph!.node!;
    expect(others).toEqual([]);
    expect(node!.opType).toBe('AdamWOptimizer');
    const attributes = node!.attribute!.map(({ name, f, i }) => [name, f || Number(i)] as const);
    expect(Object.fromEntries(attributes)).toEqual({
      adam_mode: 0,
      alpha: 0.5,
      beta: Math.fround(0.999),
      correct_bias: 1,
      epsilon: 0.25,
      weight_decay: 0,
    });
  });

  it('are not made of a step and an evaluation of another network', () => {
    const other = b.inference({ ...evaluationOf(), parameters: [] });
    expect(() => modelsFor(step, other)).toThrow(
      'ort-training: other and net-train do not have the same inputs',
    );
  });
});

/** A program without weights. */
function evaluationOf(): b.Inference {
  const x = b.input('x', 'float32', [2, 3]);
  return { name: 'other', data: [x], parameters: [], outputs: { loss: b.reduceSum(x) } };
}

describe('check', () => {
  it('refuses an eval model whose weights stand in another order', () => {
    const turned = network(['two', 'one']);
    const other = modelsFor(turned.step, turned.evaluation);
    expect(() => check({ ...models, eval: other.eval }, checkpoint)).toThrow(
      'eval_model.onnx: weight 1 is net/two/weight, in training_model.onnx it is net/one/weight',
    );
  });

  it('refuses a trained tensor that the training model does not train', () => {
    const frozen = network();
    const { parameters } = frozen.step;
    const partly = {
      ...frozen.step,
      parameters: { ...parameters, trainable: parameters.trainable.slice(0, -1) },
      frozen: [{ ...parameters, trainable: parameters.trainable.slice(-1) }],
    };
    expect(() => check(modelsFor(partly, frozen.evaluation), checkpoint)).toThrow(
      'training_model.onnx: has no input net/two/bias_grad.accumulation.buffer, the buffer of net/two/bias',
    );
  });

  it.each([
    [new Map([...trainable].slice(1)), 'checkpoint: has optimizer state, but none of net/one/weight'],
    [
      new Map([...trainable, ['net/one/weight', b.input('x', 'float32', [9])]]),
      'checkpoint: a moment of net/one/weight is float32[9], expected float32[3,3]',
    ],
    [
      new Map([...trainable, ['net/three', b.input('x', 'float32', [9])]]),
      'checkpoint: has optimizer state of net/three, which is not trained',
    ],
  ])('refuses optimizer state that is not of the trained tensors', (first, line) => {
    expect(() => check(models, { ...checkpoint, first, second: trainable })).toThrow(line);
  });
});
