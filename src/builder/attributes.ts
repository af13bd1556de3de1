import type { OpType, Ops } from './ir.ts';

/** How ONNX types an attribute. `dtype` is an int that names an element type. */
export type AttributeKind = 'int' | 'float' | 'ints' | 'string' | 'dtype' | 'graph';

/** What is known of an operator besides its types and its gradient. */
export interface Traits<K extends OpType> {
  /** Every attribute of the operator, as ONNX types it. */
  readonly attributes: { readonly [A in keyof Required<Ops[K]['attrs']>]: AttributeKind };
  /**
   * The operator computes each element from the elements at the same place: `unary` of its first input, `broadcast` of
   * all its inputs, which it broadcasts to one shape.
   */
  readonly elementwise?: 'unary' | 'broadcast';
  /** The operator slides a window over an image and takes one number from it. */
  readonly pool?: true;
  /** Not an ONNX operator: it exists between differentiation and lowering, and no file holds it. */
  readonly private?: true;
}

const unary = { attributes: {}, elementwise: 'unary' } as const;
const broadcast = { attributes: {}, elementwise: 'broadcast' } as const;
const plain = { attributes: {} } as const;
const reduce = { attributes: { axes: 'ints', keepdims: 'int' } } as const;
const window = {
  kernel_shape: 'ints',
  strides: 'ints',
  pads: 'ints',
  dilations: 'ints',
  group: 'int',
  auto_pad: 'string',
} as const;
const pool = { ceil_mode: 'int', storage_order: 'int', ...window } as const;
const axis = { attributes: { axis: 'int' } } as const;

/** The traits of every operator: what encoding, decoding and lowering ask about it. */
export const traits: { readonly [K in OpType]: Traits<K> } = {
  Neg: unary,
  Abs: unary,
  Sqrt: unary,
  Exp: unary,
  Log: unary,
  Tanh: unary,
  Sigmoid: unary,
  Relu: unary,
  Sign: unary,
  Erf: unary,
  Sin: unary,
  Cos: unary,
  Floor: unary,
  Ceil: unary,
  Round: unary,
  Identity: plain, // gives an output its name, so lowering leaves it where it is
  Not: unary,
  LeakyRelu: { attributes: { alpha: 'float' }, elementwise: 'unary' },
  HardSigmoid: { attributes: { alpha: 'float', beta: 'float' }, elementwise: 'unary' },
  Softmax: axis,
  LogSoftmax: axis,
  Cast: { attributes: { to: 'dtype' }, elementwise: 'unary' },
  Add: broadcast,
  Sub: broadcast,
  Mul: broadcast,
  Div: broadcast,
  Pow: broadcast,
  Max: broadcast,
  Min: broadcast,
  Equal: broadcast,
  Greater: broadcast,
  Less: broadcast,
  And: broadcast,
  Where: broadcast,
  Clip: unary,
  ReduceSum: { attributes: { keepdims: 'int', noop_with_empty_axes: 'int' } },
  ReduceMean: reduce,
  ReduceMax: reduce,
  ReduceSumSquare: reduce,
  ArgMax: { attributes: { axis: 'int', keepdims: 'int', select_last_index: 'int' } },
  MatMul: plain,
  Gemm: { attributes: { alpha: 'float', beta: 'float', transA: 'int', transB: 'int' } },
  Conv: { attributes: window },
  ConvTranspose: { attributes: { ...window, output_padding: 'ints', output_shape: 'ints' } },
  MaxPool: { attributes: pool, pool: true },
  MaxUnpool: { attributes: { strides: 'ints', pads: 'ints', kernel_shape: 'ints' } },
  AveragePool: {
    attributes: {
      ceil_mode: 'int',
      count_include_pad: 'int',
      kernel_shape: 'ints',
      strides: 'ints',
      pads: 'ints',
      auto_pad: 'string',
    },
    pool: true,
  },
  GlobalAveragePool: plain,
  BatchNormalization: { attributes: { epsilon: 'float', momentum: 'float', training_mode: 'int' } },
  Reshape: { attributes: { allowzero: 'int' } },
  Transpose: { attributes: { perm: 'ints' } },
  Expand: plain,
  Squeeze: plain,
  Unsqueeze: plain,
  Flatten: axis,
  Slice: plain,
  Pad: { attributes: { mode: 'string' } },
  Concat: axis,
  Gather: axis,
  GatherElements: axis,
  ScatterElements: { attributes: { axis: 'int', reduction: 'string' } },
  Shape: plain,
  Size: plain,
  Range: plain,
  Loop: { attributes: { body: 'graph' } },
  ConvWeightGrad: {
    attributes: { kernel_shape: 'ints', strides: 'ints', pads: 'ints', dilations: 'ints', group: 'int' },
    private: true,
  },
  MaxPoolGrad: { attributes: pool, pool: true, private: true },
  StopGradient: { attributes: {}, private: true },
};

/** The kind of an operator's attribute; undefined when the operator has none of that name. */
export const attributeKind = (op: OpType, name: string): AttributeKind | undefined =>
  (traits[op].attributes as Readonly<Record<string, AttributeKind>>)[name];
