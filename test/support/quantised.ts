import { tensorOf, type Tensor } from '../../src/builder/index.ts';
import { pixels } from './classifiers.ts';
import { meanWeights, type Digits } from './examples.ts';
import { foreignFile, type ForeignNode } from './foreign.ts';

const scalar = (value: number, dtype: 'float32' | 'uint8' = 'float32'): Tensor =>
  tensorOf(dtype, [], [value]);

/** Half of the range of a byte: what stands for 0. */
const zero = 128;

/** The layer of the nearest mean in bytes: weight [784,10] is (bytes - 128) * step. */
function inBytes(known: Digits) {
  const { weight, bias } = meanWeights(known);
  const values = Array.from(weight.data as Float32Array);
  const step = Math.max(...values.map(Math.abs)) / 127;
  return { step, bias, bytes: values.map((w) => Math.round(w / step) + zero) };
}

/** Scores without their bias are at most this large. */
const largest = 128;

/** Digits by the nearest mean, computed in bytes in different ways: the forms of files that tools quantise. */
export const integerForms = ['QLinearMatMul', 'QLinearConv', 'ConvInteger', 'MatMulInteger'] as const;
type IntegerForm = (typeof integerForms)[number];

const formOf: { readonly [F in IntegerForm | 'QDQ']: (op: string, x: string) => readonly ForeignNode[] } = {
  QLinearMatMul: linear,
  QLinearConv: linear,
  ConvInteger: integer,
  MatMulInteger: integer,
  QDQ: rounded,
};

/**
 * The classifier in one of the forms. `MatMulInteger` is dynamic quantisation, as ONNX Runtime's tool writes it, and `QDQ` computes
 * in floats that were bytes, so that it has a gradient.
 */
export function quantisedMean(known: Digits, form: IntegerForm | 'QDQ'): Uint8Array {
  const { step, bias, bytes } = inBytes(known);
  const isConv = form.includes('Conv');
  const matrix = tensorOf('uint8', [pixels, 10], bytes);
  // [784,10] as a kernel [10,1,28,28]
  const kernel = tensorOf(
    'uint8',
    [10, 1, 28, 28],
    Array.from({ length: 10 * pixels }, (_, at) => bytes[(at % pixels) * 10 + Math.floor(at / pixels)]!),
  );
  const asRows: ForeignNode = { op: 'Flatten', inputs: ['image'], outputs: ['rows'] };
  const x = isConv ? 'image' : 'rows';
  const before = isConv ? [] : [asRows];
  const scores = formOf[form](form, x);
  return foreignFile({
    opset: 17,
    inputs: [{ name: 'image', type: { dtype: 'float32', shape: ['batch', 1, 28, 28] } }],
    nodes: [
      ...before,
      ...scores,
      { op: 'Flatten', inputs: ['scores'], outputs: ['z'] },
      { op: 'Add', inputs: ['z', 'bias'], outputs: ['logits'] },
    ],
    weights: {
      weight: isConv ? kernel : matrix,
      bias,
      'x/step': scalar(1 / 255),
      'x/zero': scalar(0, 'uint8'),
      'weight/step': scalar(step),
      'weight/zero': scalar(zero, 'uint8'),
      'y/step': scalar(largest / 127),
      'y/zero': scalar(zero, 'uint8'),
    },
    outputs: [{ name: 'logits', type: { dtype: 'float32', shape: ['batch', 10] } }],
  });
}

/** Both sides and the result in bytes. */
function linear(op: string, x: string): readonly ForeignNode[] {
  return [
    { op: 'QuantizeLinear', inputs: [x, 'x/step', 'x/zero'], outputs: ['q'] },
    {
      op,
      inputs: ['q', 'x/step', 'x/zero', 'weight', 'weight/step', 'weight/zero', 'y/step', 'y/zero'],
      outputs: ['p'],
    },
    { op: 'DequantizeLinear', inputs: ['p', 'y/step', 'y/zero'], outputs: ['scores'] },
  ];
}

/** Bytes whose step is found anew for each batch; sums in int32. */
function integer(op: string, x: string): readonly ForeignNode[] {
  return [
    { op: 'DynamicQuantizeLinear', inputs: [x], outputs: ['q', 'q/step', 'q/zero'] },
    { op, inputs: ['q', 'weight', 'q/zero', 'weight/zero'], outputs: ['sums'] },
    { op: 'Cast', inputs: ['sums'], outputs: ['float'], attributes: { to: 1 } },
    { op: 'Mul', inputs: ['q/step', 'weight/step'], outputs: ['steps'] },
    { op: 'Mul', inputs: ['float', 'steps'], outputs: ['scores'] },
  ];
}

/** Bytes that become floats before they are multiplied. */
function rounded(_: string, x: string): readonly ForeignNode[] {
  return [
    { op: 'QuantizeLinear', inputs: [x, 'x/step', 'x/zero'], outputs: ['q'] },
    { op: 'DequantizeLinear', inputs: ['q', 'x/step', 'x/zero'], outputs: ['a'] },
    { op: 'DequantizeLinear', inputs: ['weight', 'weight/step', 'weight/zero'], outputs: ['b'] },
    { op: 'MatMul', inputs: ['a', 'b'], outputs: ['c'] },
    { op: 'QuantizeLinear', inputs: ['c', 'y/step', 'y/zero'], outputs: ['p'] },
    { op: 'DequantizeLinear', inputs: ['p', 'y/step', 'y/zero'], outputs: ['scores'] },
  ];
}
