import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import * as b from '../../src/builder/index.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import type { Plain } from '../browser/ort-training/page.ts';
import { chromiumPath, openPage } from '../support/browser.ts';
import { base64, modelOf, node, plain, type Attributes, type Port } from '../support/ort-kernels.ts';
import { trainingBuild } from '../support/ort-training.ts';
import { between, drawn, evaluateGraph, graphOf, pick, whole } from '../support/run.ts';

/** Inputs of one case, with what is fed to them. */
class Draw {
  readonly random: Random;
  readonly feeds: Record<string, b.Tensor> = {};
  constructor(random: Random) {
    this.random = random;
  }

  input(
    name: string,
    shape: readonly number[],
    next = between(this.random, -1.5, 1.5),
    dtype: b.DType = 'float32',
  ) {
    this.feeds[name] = drawn(dtype, shape, next);
    return b.input(name, dtype, shape);
  }

  int(low: number, high: number): number {
    return low + this.random.below(high - low + 1);
  }

  list(length: number, low: number, high: number): number[] {
    return Array.from({ length }, () => this.int(low, high));
  }
}

/** One operator with inputs: our value, and the kernel that ONNX Runtime differentiates it with. */
interface Case {
  readonly y: b.Value;
  /** Inputs whose gradients are compared: our value, and what the kernel calls its gradient. */
  readonly wrt: readonly (readonly [x: b.Value, gradient: string])[];
  /** The kernel, from `dy` and the inputs; what it needs of a forward pass comes first. */
  readonly nodes: readonly ReturnType<typeof node>[];
}

const unary =
  (op: string, apply: (x: b.Value) => b.Value, attributes: Attributes = {}) =>
  (d: Draw): Case => {
    const x = d.input('x', d.list(d.int(1, 3), 1, 6));
    const y = apply(x);
    const { op: forward } = y.source as b.AnyNode;
    return {
      y,
      wrt: [[x, 'dx']],
      nodes: [node(forward, ['x'], ['y'], attributes), node(op, ['dy', 'y'], ['dx'], attributes)],
    };
  };

/** Strides and pads of a random window whose kernel fits. */
function geometry(d: Draw) {
  const kernel = d.list(2, 1, 4);
  return {
    kernel_shape: kernel,
    strides: d.list(2, 1, 3),
    pads: [...d.list(2, 0, 2), ...d.list(2, 0, 2)].map((p, i) => Math.min(p, kernel[i % 2]! - 1)),
  };
}

const cases: Readonly<Record<string, (d: Draw) => Case>> = {
  TanhGrad: unary('TanhGrad', b.tanh),
  SigmoidGrad: unary('SigmoidGrad', b.sigmoid),
  ReluGrad: unary('ReluGrad', b.relu),
  LeakyReluGrad: unary('LeakyReluGrad', (x) => b.leakyRelu(x, 0.2), { alpha: { float: 0.2 } }),
  ConvGrad: (d) => {
    const attrs = geometry(d);
    const x = d.input('x', [d.int(1, 3), 2, ...d.list(2, 4, 8)]);
    const w = d.input('w', [3, 2, ...attrs.kernel_shape]);
    const bias = d.input('b', [3]);
    return {
      y: b.conv(x, w, bias, attrs),
      wrt: [
        [x, 'dx'],
        [w, 'dw'],
        [bias, 'db'],
      ],
      nodes: [node('ConvGrad', ['dy', 'x', 'w'], ['dx', 'dw', 'db'], attrs)],
    };
  },
  // The build has no kernel for ConvTransposeGrad. A transposed convolution is linear in both of its inputs and the
  // transpose of a convolution, whose kernels give its gradients with input and cotangent in each other's place.
  'ConvGrad, for ConvTranspose': (d) => {
    const { kernel_shape, strides, pads } = geometry(d);
    const output_padding = strides.map((s) => d.int(0, s - 1));
    const x = d.input('x', [d.int(1, 3), 2, ...d.list(2, 3, 6)]);
    const w = d.input('w', [2, 3, ...kernel_shape]);
    const bias = d.input('b', [3]);
    const attrs = { kernel_shape, strides, pads };
    return {
      y: b.convTranspose(x, w, bias, { strides, pads, output_padding }),
      wrt: [
        [x, 'dx'],
        [w, 'dw'],
        [bias, 'db'],
      ],
      nodes: [
        node('Conv', ['dy', 'w'], ['dx'], attrs),
        node('ConvGrad', ['x', 'dy', 'w'], ['', 'dw'], attrs),
        node('ReduceMean', ['dy'], ['mean'], { axes: [0, 2, 3], keepdims: 0 }),
        node('Size', ['dy'], ['size']),
        node('Size', ['b'], ['channels']),
        node('Div', ['size', 'channels'], ['count']),
        node('CastLike', ['count', 'b'], ['factor']),
        node('Mul', ['mean', 'factor'], ['db']),
      ],
    };
  },
  MaxPoolGrad: (d) => {
    const attrs = geometry(d);
    // whole numbers: many windows have more than one maximum
    const x = d.input('x', [d.int(1, 2), 2, ...d.list(2, 4, 8)], whole(d.random, -2, 2));
    return {
      y: b.maxPool(x, attrs).y,
      wrt: [[x, 'dx']],
      nodes: [node('MaxPool', ['x'], ['y', 'at'], attrs), node('MaxPoolGrad', ['dy', 'at'], ['dx'], attrs)],
    };
  },
  BatchNormalizationGrad: (d) => {
    const channels = d.int(1, 3);
    const x = d.input('x', [d.int(2, 4), channels, ...d.list(2, 2, 4)]);
    const epsilon = pick(d.random, [1e-5, 1e-3]);
    const { result: y, parameters } = b.nn.declare('n', 'train', (scope) =>
      b.nn.batchNorm(scope, x, { epsilon }),
    );
    const [weight, bias] = parameters.trainable;
    parameters.trainable.forEach(({ name }) => d.input(name, [channels]));
    d.input('zeros', [channels], () => 0);
    d.input('ones', [channels], () => 1);
    const saved = ['mean', 'inverse'];
    const inputs = ['x', 'n/weight', 'n/bias', 'zeros', 'ones'];
    const attrs = { epsilon: { float: epsilon } };
    return {
      y,
      wrt: [
        [x, 'dx'],
        [weight!.value, 'dw'],
        [bias!.value, 'db'],
      ],
      nodes: [
        node('BatchNormInternal', inputs, ['y', 'rm', 'rv', ...saved], { ...attrs, training_mode: 1 }),
        node('BatchNormalizationGrad', ['dy', 'x', 'n/weight', ...saved], ['dx', 'dw', 'db'], attrs),
      ],
    };
  },
  SoftmaxCrossEntropyLossInternalGrad: (d) => {
    const [rows, classes] = [d.int(1, 5), d.int(2, 10)];
    const logits = d.input('logits', [rows, classes], between(d.random, -4, 4));
    const label = d.input('label', [rows], () => d.int(0, classes - 1), 'int64');
    const attrs = { reduction: 'mean' };
    return {
      y: b.nn.crossEntropy(logits, label),
      wrt: [[logits, 'dx']],
      nodes: [
        node('SoftmaxCrossEntropyLossInternal', ['logits', 'label'], ['loss', 'log_prob'], attrs),
        node('SoftmaxCrossEntropyLossInternalGrad', ['dy', 'log_prob', 'label'], ['dx'], attrs),
      ],
    };
  },
  GatherGrad: (d) => {
    const shape = d.list(3, 2, 4);
    const axis = d.int(0, 2);
    const data = d.input('data', shape);
    const indices = d.input('indices', d.list(2, 1, 3), () => d.int(0, shape[axis]! - 1), 'int64');
    d.input(
      'shape',
      [3],
      (() => {
        let i = 0;
        return () => shape[i++]!;
      })(),
      'int64',
    );
    return {
      y: b.gather(data, indices, axis),
      wrt: [[data, 'dx']],
      nodes: [node('GatherGrad', ['shape', 'indices', 'dy'], ['dx'], { axis })],
    };
  },
};

const reason = chromiumPath ? '' : ' (skipped: no Chromium here; install it or set SPARRING_CHROMIUM)';
const repetitions = 8;

describe.skipIf(!chromiumPath)(`gradients are those of ONNX Runtime's training kernels${reason}`, () => {
  let page: Page;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ page, close } = await openPage(trainingBuild(), { folder: 'ort-training', ready: 'ortTraining' }));
  }, 120_000);
  afterAll(() => close?.());

  it.for(Object.entries(cases))(`%s, ${repetitions} random geometries`, async ([op, make]) => {
    const random = stream(1, 'kernels', op);
    const tried = Array.from({ length: repetitions }, () => {
      const d = new Draw(random);
      const { y, wrt, nodes } = make(d);
      const dy = d.input('dy', y.shape as number[]);
      const gradients = b.pullback(
        [y],
        [dy],
        wrt.map(([x]) => x),
      );
      const outputs = Object.fromEntries(wrt.map(([, name], i) => [name, gradients[i]!]));
      const port = (name: string, { dtype, shape }: b.Type): Port => ({ name, dtype, shape });
      const inputs = Object.entries(d.feeds).map(([name, tensor]) => port(name, tensor));
      const model = modelOf(
        nodes,
        inputs,
        wrt.map(([x, name]) => port(name, x)),
      );
      return { outputs, feeds: d.feeds, model };
    });
    const theirs = await page.evaluate(
      (runs) => window.ortTraining.run(runs),
      tried.map(({ model, feeds }) => ({
        model: base64(model),
        feeds: Object.fromEntries(Object.entries(feeds).map(([name, x]) => [name, plain(x)])),
      })),
    );
    for (const [i, { outputs, feeds }] of tried.entries()) {
      const expected = theirs[i]!;
      if (typeof expected === 'string') throw new Error(expected);
      for (const target of ['plain', 'cpu'] as const) {
        const graph = b.lower(graphOf(outputs), target);
        const ours = await evaluateGraph(graph, feeds);
        for (const name of Object.keys(outputs)) {
          const { dims, data } = expected[name] as Plain;
          expect(ours[name]!.shape, `${target} ${name}`).toEqual(dims);
          expect(ours[name]!, `${target} ${name}`).toBeAllClose(
            { dtype: 'float32', shape: dims, data: Float32Array.from(data) },
            { rtol: 1e-4, atol: 1e-5 },
          );
        }
      }
    }
  });
});
