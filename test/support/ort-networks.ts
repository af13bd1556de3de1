import { tensorOf, type Tensor, type TrainStep } from '../../src/builder/index.ts';
import { encodeModel, type Message } from '../../src/builder/onnx.ts';
import { encodeTensor } from '../../src/builder/proto.ts';
import { modelOf, node, type Attributes, type Port } from './ort-kernels.ts';

/**
 * A network written forwards and backwards with ONNX Runtime's own kernels, layer by layer: each call adds the forward
 * node and notes what its backward pass adds. It shares nothing with the builder's rules.
 */
class Tape {
  readonly nodes: Message<'Node'>[] = [];
  readonly initializers = new Map<string, Tensor>();
  readonly gradients = new Map<string, string>();
  readonly inner: Port[] = [];
  readonly #backward: ((dy: string) => string)[] = [];
  #count = 0;

  name(kind: string): string {
    return `${kind}_${this.#count++}`;
  }

  constant(kind: string, tensor: Tensor): string {
    const name = this.name(kind);
    this.initializers.set(name, tensor);
    return name;
  }

  ints(...values: number[]): string {
    return this.constant('ints', tensorOf('int64', [values.length], values));
  }

  /** Adds a node of one output and gives its name. */
  one(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const y = this.name(op);
    this.nodes.push(node(op, inputs, [y], attributes));
    return y;
  }

  /** A layer whose backward pass is `back`. */
  layer(y: string, back: (dy: string) => string): string {
    this.#backward.push(back);
    return y;
  }

  /** A convolution: its kernel is stored [kH,kW,in,out], ONNX wants [out,in,kH,kW]. */
  conv(x: string, layer: string, attrs: Attributes, trained = true): string {
    const w = this.one('Transpose', [`${layer}/weight`], { perm: [3, 2, 0, 1] });
    return this.layer(this.one('Conv', [x, w, `${layer}/bias`], attrs), (dy) => {
      const [dx, dw, db] = ['dx', 'dw', 'db'].map((kind) => this.name(kind)) as [string, string, string];
      this.nodes.push(node('ConvGrad', [dy, x, w], trained ? [dx, dw, db] : [dx], attrs));
      if (trained) {
        this.gradients.set(`${layer}/weight`, this.one('Transpose', [dw], { perm: [2, 3, 1, 0] }));
        this.gradients.set(`${layer}/bias`, db);
      }
      return dx;
    });
  }

  /** A transposed convolution; its gradients are those of the convolution that it transposes. */
  convTranspose(x: string, layer: string, attrs: Attributes, output_padding: readonly number[]): string {
    const w = this.one('Transpose', [`${layer}/weight`], { perm: [3, 2, 0, 1] });
    const y = this.one('ConvTranspose', [x, w, `${layer}/bias`], { ...attrs, output_padding });
    return this.layer(y, (dy) => {
      const dw = this.name('dw');
      this.nodes.push(node('ConvGrad', [x, dy, w], ['', dw], attrs));
      this.gradients.set(`${layer}/weight`, this.one('Transpose', [dw], { perm: [2, 3, 1, 0] }));
      this.gradients.set(`${layer}/bias`, this.one('ReduceSum', [dy, this.ints(0, 2, 3)], { keepdims: 0 }));
      return this.one('Conv', [dy, w], attrs);
    });
  }

  batchNorm(x: string, layer: string): string {
    const [scale, bias, mean, variance] = ['weight', 'bias', 'running_mean', 'running_var'].map(
      (part) => `${layer}/${part}`,
    ) as [string, string, string, string];
    const [y, savedMean, savedInverse, rm, rv] = ['y', 'mean', 'inverse', 'rm', 'rv'].map((k) =>
      this.name(k),
    ) as [string, string, string, string, string];
    const attrs = { epsilon: { float: 1e-5 } };
    this.nodes.push(
      node('BatchNormInternal', [x, scale, bias, mean, variance], [y, rm, rv, savedMean, savedInverse], {
        ...attrs,
        momentum: { float: 0.9 },
        training_mode: 1,
      }),
    );
    return this.layer(y, (dy) => {
      const [dx, dw, db] = ['dx', 'dw', 'db'].map((kind) => this.name(kind)) as [string, string, string];
      this.nodes.push(
        node('BatchNormalizationGrad', [dy, x, scale, savedMean, savedInverse], [dx, dw, db], attrs),
      );
      this.gradients.set(scale, dw);
      this.gradients.set(bias, db);
      return dx;
    });
  }

  /** Batch norm with fixed statistics is one factor a channel: scale / sqrt(variance + epsilon). */
  fixedBatchNorm(x: string, layer: string): string {
    const inputs = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => `${layer}/${part}`);
    const y = this.one('BatchNormalization', [x, ...inputs], { epsilon: { float: 1e-5 } });
    return this.layer(y, (dy) => {
      const epsilon = this.constant('epsilon', tensorOf('float32', [], [1e-5]));
      const deviation = this.one('Sqrt', [this.one('Add', [inputs[3]!, epsilon])]);
      const factor = this.one('Div', [inputs[0]!, deviation]);
      return this.one('Mul', [dy, this.one('Unsqueeze', [factor, this.ints(1, 2)])]);
    });
  }

  relu(x: string): string {
    const y = this.one('Relu', [x]);
    return this.layer(y, (dy) => this.one('ReluGrad', [dy, y]));
  }

  leakyRelu(x: string, alpha: number): string {
    const attrs = { alpha: { float: alpha } };
    const y = this.one('LeakyRelu', [x], attrs);
    return this.layer(y, (dy) => this.one('LeakyReluGrad', [dy, y], attrs));
  }

  tanh(x: string): string {
    const y = this.one('Tanh', [x]);
    return this.layer(y, (dy) => this.one('TanhGrad', [dy, y]));
  }

  maxPool2(x: string, shape: readonly number[]): string {
    const attrs = { kernel_shape: [2, 2], strides: [2, 2] };
    const [y, at] = [this.name('pooled'), this.name('at')];
    this.nodes.push(node('MaxPool', [x], [y, at], attrs));
    return this.layer(y, (dy) => {
      const dx = this.one('MaxPoolGrad', [dy, at], attrs);
      this.inner.push({ name: dx, dtype: 'float32', shape });
      return dx;
    });
  }

  reshape(x: string, to: readonly number[], from: readonly number[]): string {
    return this.layer(this.one('Reshape', [x, this.ints(...to)]), (dy) =>
      this.one('Reshape', [dy, this.ints(...from)]),
    );
  }

  /** Weight [features,K]: y = x W^T + b. */
  linear(x: string, layer: string, trained = true): string {
    const w = `${layer}/weight`;
    return this.layer(this.one('Gemm', [x, w, `${layer}/bias`], { transB: 1 }), (dy) => {
      if (trained) {
        this.gradients.set(w, this.one('Gemm', [dy, x], { transA: 1 }));
        this.gradients.set(`${layer}/bias`, this.one('ReduceSum', [dy, this.ints(0)], { keepdims: 0 }));
      }
      return this.one('MatMul', [dy, w]);
    });
  }

  /** Adds the backward pass of everything from a cotangent of the last value. */
  back(dy: string): void {
    this.#backward.toReversed().reduce((cotangent, back) => back(cotangent), dy);
  }
}

const same = { kernel_shape: [5, 5], strides: [1, 1], pads: [2, 2, 2, 2] };
const half = { ...same, strides: [2, 2] };

/** The classifier's layers up to the logits. */
function classifier(tape: Tape, image: string, batch: number, trained: boolean): string {
  let x = image;
  for (const [i, shape] of [
    [1, [batch, 16, 28, 28]],
    [2, [batch, 32, 14, 14]],
  ] as const) {
    x = tape.conv(x, `classifier/conv${i}`, same, trained);
    x = trained ? tape.batchNorm(x, `classifier/norm${i}`) : tape.fixedBatchNorm(x, `classifier/norm${i}`);
    x = tape.maxPool2(tape.relu(x), shape);
  }
  x = tape.reshape(x, [batch, 1568], [batch, 32, 7, 7]);
  return tape.linear(x, 'classifier/linear', trained);
}

/** Image plus perturbation, clipped to [0, 1]. */
function attacked(tape: Tape, image: string, eps: number): string {
  let x = image;
  for (const i of [1, 2, 3, 4]) {
    x = tape.conv(x, `attacker/conv${i}`, half);
    if (i > 1) x = tape.batchNorm(x, `attacker/norm${i}`);
    x = tape.leakyRelu(x, 0.2);
  }
  [1, 0, 1, 1].forEach((padding, at) => {
    x = tape.convTranspose(x, `attacker/deconv${at + 1}`, half, [padding, padding]);
    x = tape.batchNorm(x, `attacker/denorm${at + 1}`);
    x = at < 3 ? tape.relu(x) : tape.tanh(x);
  });
  const factor = tape.constant('eps', tensorOf('float32', [], [eps]));
  const perturbation = tape.layer(tape.one('Mul', [x, factor]), (dy) => tape.one('Mul', [dy, factor]));
  const [low, high] = [0, 1].map((bound) => tape.constant('bound', tensorOf('float32', [], [bound])));
  const sum = tape.one('Add', [image, perturbation]);
  const inside = tape.one('Clip', [sum, low!, high!]);
  return tape.layer(inside, (dy) => {
    const left = tape.one('CastLike', [tape.one('Equal', [sum, inside]), dy]);
    return tape.one('Mul', [dy, left]);
  });
}

/**
 * The training model of C or A in ONNX Runtime's own kernels: for the same checkpoint, optimizer and data as the
 * exported one, and with the same names.
 */
export function trainingModelInKernels(step: TrainStep, eps: number): Uint8Array {
  const tape = new Tape();
  const [image, label] = step.data;
  const batch = image!.shape[0] as number;
  const attacks = step.name === 'attacker-train';
  const logits = classifier(tape, attacks ? attacked(tape, 'image', eps) : 'image', batch, !attacks);
  const attrs = { reduction: 'mean' };
  tape.nodes.push(node('SoftmaxCrossEntropyLossInternal', [logits, 'label'], ['loss', 'log_prob'], attrs));
  const direction = tape.constant('direction', tensorOf('float32', [], [attacks ? -1 : 1]));
  tape.back(tape.one('SoftmaxCrossEntropyLossInternalGrad', [direction, 'log_prob', 'label'], attrs));

  const { trainable, buffers } = step.parameters;
  const parameters = [
    ...trainable,
    ...buffers,
    ...(step.frozen ?? []).flatMap((network) => [...network.trainable, ...network.buffers]),
  ];
  const port = (name: string, { dtype, shape }: Pick<Port, 'dtype' | 'shape'>): Port => ({
    name,
    dtype,
    shape,
  });
  const flag = { dtype: 'bool', shape: [1] } as const;
  const sums = trainable.map(({ name }) =>
    node(
      'InPlaceAccumulatorV2',
      [`${name}_grad.accumulation.buffer`, tape.gradients.get(name)!, 'lazy_reset_grad'],
      [`${name}_grad.accumulation.out`],
    ),
  );
  return encodeModel(
    modelOf(
      [...tape.nodes, ...sums],
      [
        port('image', image!),
        port('label', label!),
        ...parameters.map(({ name, value }) => port(name, value)),
        ...trainable.map(({ name, value }) => port(`${name}_grad.accumulation.buffer`, value)),
        port('lazy_reset_grad', flag),
      ],
      [
        port('loss', { dtype: 'float32', shape: [] }),
        ...trainable.map(({ name }) => port(`${name}_grad.accumulation.out`, flag)),
      ],
      {
        inner: tape.inner,
        initializer: [...tape.initializers].map(([name, tensor]) => encodeTensor(name, tensor)),
      },
    ),
  );
}
