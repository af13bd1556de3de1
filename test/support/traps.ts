import { tensorOf, type Tensor } from '../../src/builder/index.ts';
import { pixels } from './classifiers.ts';
import { meanWeights, type Digits } from './examples.ts';
import { foreignFile, type ForeignNode } from './foreign.ts';

const scalar = (value: number, dtype: 'float32' | 'uint8' = 'float32'): Tensor =>
  tensorOf(dtype, [], [value]);

interface Trap {
  readonly nodes: readonly ForeignNode[];
  readonly weights?: Readonly<Record<string, Tensor>>;
  /** The weights of the linear layer; those of the nearest mean by default. */
  readonly layer?: { readonly weight: Tensor; readonly bias: Tensor };
}

/** Digits by the nearest mean image, with something between the scores `z` [batch,10] and the output. */
function afterScores(known: Digits, { nodes, weights = {}, layer = meanWeights(known) }: Trap) {
  return foreignFile({
    opset: 17,
    inputs: [{ name: 'image', type: { dtype: 'float32', shape: ['batch', 1, 28, 28] } }],
    nodes: [
      { op: 'Flatten', inputs: ['image'], outputs: ['flat'] },
      { op: 'Gemm', inputs: ['flat', 'weight', 'bias'], outputs: ['z'] },
      ...nodes,
    ],
    weights: { ...layer, ...weights },
    outputs: [{ name: 'logits', type: { dtype: 'float32', shape: ['batch', layer.bias.shape[0]!] } }],
  });
}

/**
 * Files of classifiers of digits that make an evaluation go wrong, or seem robust and are not. All but the last two answer
 * as the nearest mean does.
 */
export const traps = {
  /** Nothing between. */
  plain: (known: Digits) =>
    afterScores(known, { nodes: [{ op: 'Identity', inputs: ['z'], outputs: ['logits'] }] }),
  /** A softmax so sharp that it rounds to 0 and 1, called logits. */
  sharpSoftmax: (known: Digits) =>
    afterScores(known, {
      nodes: [
        { op: 'Mul', inputs: ['z', 'ten'], outputs: ['sharp'] },
        { op: 'Softmax', inputs: ['sharp'], outputs: ['logits'], attributes: { axis: 1 } },
      ],
      weights: { ten: scalar(10) },
    }),
  /** The same, hidden behind a product: no softmax stands at the end. */
  hiddenSoftmax: (known: Digits) =>
    afterScores(known, {
      nodes: [
        { op: 'Mul', inputs: ['z', 'ten'], outputs: ['sharp'] },
        { op: 'Softmax', inputs: ['sharp'], outputs: ['p'], attributes: { axis: 1 } },
        { op: 'Mul', inputs: ['p', 'one'], outputs: ['logits'] },
      ],
      weights: { ten: scalar(10), one: scalar(1) },
    }),
  /** Rounding has no gradient. */
  rounded: (known: Digits) =>
    afterScores(known, { nodes: [{ op: 'Round', inputs: ['z'], outputs: ['logits'] }] }),
  /** Other noise at each answer. */
  noisy: (known: Digits) =>
    afterScores(known, {
      nodes: [
        { op: 'RandomNormalLike', inputs: ['z'], outputs: ['noise'], attributes: { scale: { float: 2 } } },
        { op: 'Add', inputs: ['z', 'noise'], outputs: ['logits'] },
      ],
    }),
  /** The scores pass through 8 bits. */
  quantised: (known: Digits) =>
    afterScores(known, {
      nodes: [
        { op: 'QuantizeLinear', inputs: ['z', 'step', 'zero'], outputs: ['q'] },
        { op: 'DequantizeLinear', inputs: ['q', 'step', 'zero'], outputs: ['logits'] },
      ],
      weights: { step: scalar(0.5), zero: scalar(128, 'uint8') },
    }),
  /** The mean of the batch is taken from each image's scores: what batch normalisation does in training mode. */
  batchMean: (known: Digits) =>
    afterScores(known, {
      nodes: [
        { op: 'ReduceMean', inputs: ['z'], outputs: ['mean'], attributes: { axes: [0], keepdims: 1 } },
        { op: 'Sub', inputs: ['z', 'mean'], outputs: ['logits'] },
      ],
    }),
  /** The answer is the same for every image. */
  constant: (known: Digits) =>
    afterScores(known, {
      nodes: [
        { op: 'Mul', inputs: ['z', 'nothing'], outputs: ['zeros'] },
        { op: 'Add', inputs: ['zeros', 'prior'], outputs: ['logits'] },
      ],
      weights: { nothing: scalar(0), prior: tensorOf('float32', [10], [...Array(10).keys()]) },
    }),
} as const;

/** Whether a digit is a 0 or a 1, as one score, or as the probability of a 1. */
export function binary(known: Digits, form: 'two' | 'score' | 'sigmoid'): Uint8Array {
  const { weight, bias } = meanWeights(known);
  const [w, b] = [weight.data as Float32Array, bias.data as Float32Array];
  const columns = form === 'two' ? [[0], [1]] : [[1, 0]];
  const of = (values: Float32Array, row: number): number[] =>
    columns.map(
      ([plus, minus]) => values[10 * row + plus!]! - (minus === undefined ? 0 : values[10 * row + minus]!),
    );
  const n = columns.length;
  const layer = {
    weight: tensorOf('float32', [pixels, n], Array.from({ length: pixels }, (_, row) => of(w, row)).flat()),
    bias: tensorOf('float32', [n], of(b, 0)),
  };
  const op = form === 'sigmoid' ? 'Sigmoid' : 'Identity';
  return afterScores(known, { nodes: [{ op, inputs: ['z'], outputs: ['logits'] }], layer });
}

/** Digits by the nearest mean, of pixels in 0..255: a file says nothing of that. */
export function scaledTo255(known: Digits): Uint8Array {
  const { weight, bias } = meanWeights(known);
  const scaled = Array.from(weight.data as Float32Array, (w) => w / 255);
  const layer = { weight: tensorOf('float32', weight.shape, scaled), bias };
  return afterScores(known, { nodes: [{ op: 'Identity', inputs: ['z'], outputs: ['logits'] }], layer });
}
