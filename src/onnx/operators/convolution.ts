import { constant, tensorOf, type Value } from '../../builder/ir.ts';
import {
  add,
  clip,
  conv,
  convTranspose,
  leakyRelu,
  matmul,
  mul,
  relu,
  sigmoid,
  tanh,
  transpose,
} from '../../builder/ops.ts';
import { showShape } from '../../builder/shape.ts';
import { spatial } from '../../builder/window.ts';
import type { Family, Foreign } from '../foreign.ts';
import { hardSigmoid } from './activation.ts';
import { reshapeAs } from './movement.ts';
import { primitive } from './primitive.ts';
import { brief, halves, kernelOf, windowOf } from './window.ts';

function convolution(node: Foreign): Value {
  const w = node.at(1);
  return conv(node.x, w, node.maybe(2), brief(windowOf(node, kernelOf(node, w)), node.int('group', 1)));
}

/**
 * The output is stride * (size - 1) + output_padding + dilation * (kernel - 1) + 1 - pads long; where the file says how
 * long it is, or that it is stride times the input, the pads are what is too much.
 */
function transposed(node: Foreign): Value {
  const { op, x, int, ints, text, maybe, at } = node;
  const w = at(1);
  const group = int('group', 1);
  const kernel = kernelOf(node, w);
  const strides = ints('strides') ?? kernel.map(() => 1);
  const dilations = ints('dilations') ?? kernel.map(() => 1);
  const more = ints('output_padding') ?? kernel.map(() => 0);
  const auto = text('auto_pad', 'NOTSET');
  const said = ints('pads') ?? [...kernel, ...kernel].map(() => 0);
  const wanted = ints('output_shape')?.slice(-kernel.length);
  const sizes = spatial(op, x);
  const lengths = wanted ?? (auto.startsWith('SAME') ? sizes.map((size, i) => size * strides[i]!) : null);
  const spare = lengths?.map((length, i) => {
    const full = strides[i]! * (sizes[i]! - 1) + more[i]! + dilations[i]! * (kernel[i]! - 1) + 1;
    return full - length;
  });
  const pads = spare
    ? halves(
        spare.map((n) => Math.max(0, n)),
        auto === 'SAME_UPPER',
      )
    : said.map((n) => (auto === 'VALID' ? 0 : n));
  const output_padding = more.map((n, i) => n + Math.max(0, -(spare?.[i] ?? 0)));
  return convTranspose(x, w, maybe(2), {
    ...brief({ kernel_shape: kernel, strides, dilations, pads }, group),
    ...(output_padding.some((n) => n !== 0) && { output_padding }),
  });
}

/**
 * Columns [N,C*k,L], each the k elements of a block in C channels, added up at the blocks' places in an image: a
 * transposed convolution of each channel, with a kernel that puts element j at place j.
 */
function fromColumns({ x, known, ints }: Foreign): Value {
  const [size, block] = [known(1), known(2)];
  const elements = block.reduce((a, b) => a * b, 1);
  const none = [...block, ...block].map(() => 0);
  const strides = ints('strides') ?? block.map(() => 1);
  const dilations = ints('dilations') ?? block.map(() => 1);
  const pads = ints('pads') ?? none;
  const spare = size.map(
    (length, i) => length + pads[i]! + pads[i + size.length]! - dilations[i]! * (block[i]! - 1) - 1,
  );
  const counts = spare.map((length, i) => Math.floor(length / strides[i]!) + 1);
  const channels = Number(x.shape[1]) / elements;
  if (!Number.isInteger(channels) || counts.reduce((a, b) => a * b, 1) !== x.shape[2]) {
    throw new Error(
      `columns ${showShape(x.shape)} are not those of [${size.join()}] in blocks [${block.join()}]`,
    );
  }
  const places = Array.from({ length: channels * elements * elements }, (_, at) =>
    Math.floor(at / elements) % elements === at % elements ? 1 : 0,
  );
  const kernel = constant(tensorOf(x.dtype, [channels * elements, 1, ...block], places));
  const output_padding = spare.map((length, i) => length % strides[i]!);
  return convTranspose(reshapeAs(x, [x.shape[0]!, channels * elements, ...counts]), kernel, null, {
    ...brief({ kernel_shape: block, strides, dilations, pads }, channels),
    ...(output_padding.some((n) => n !== 0) && { output_padding }),
  });
}

/** The activation that ONNX Runtime has drawn into an operator. */
function activated(y: Value, { text, floats, float }: Foreign): Value {
  const name = text('activation', '');
  const [a, b] = floats('activation_params') ?? [
    float('activation_alpha', 0.01),
    float('activation_beta', 0),
  ];
  switch (name) {
    case '':
      return y;
    case 'Relu':
      return relu(y);
    case 'Sigmoid':
      return sigmoid(y);
    case 'Tanh':
      return tanh(y);
    case 'LeakyRelu':
      return leakyRelu(y, a!);
    case 'Clip':
      return clip(y, a!, b!);
    case 'HardSigmoid':
      return hardSigmoid(y, a!, b!);
    default:
      throw new Error(`activation ${name} is not supported`);
  }
}

export const convolutions: Family = {
  Conv: { 1: convolution },
  ConvTranspose: { 1: transposed },
  Col2Im: { 18: fromColumns },
  Gemm: {
    7: primitive('Gemm', 2),
  },
  // a convolution, a sum with another value of its shape, an activation
  'com.microsoft.FusedConv': {
    1: (node) => {
      const y = convolution(node);
      const other = node.maybe(3);
      return activated(other ? add(y, other) : y, node);
    },
  },
  'com.microsoft.FusedGemm': {
    1: (node) => {
      const { x, at, maybe, int, float } = node;
      const left = int('transA', 0) ? transpose(x) : x;
      const right = int('transB', 0) ? transpose(at(1)) : at(1);
      const product = mul(matmul(left, right), float('alpha', 1));
      const c = maybe(2);
      const beta = float('beta', 1);
      return activated(c ? add(product, mul(c, beta)) : product, node);
    },
  },
};
