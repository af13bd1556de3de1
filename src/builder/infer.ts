import { showType, isFloat, type Node, type Type, type Value, type OpType } from './ir.ts';
import { type, shapes, demand, sameDtype, numeric, broadcast, known, reducedShape } from './checks.ts';
import { inferMovement } from './infer-movement.ts';
import { broadcastShapes, divideDims, normalizeAxis, sameShape, showShape, sizeOf } from './shape.ts';
import { convSpatial, convTransposeSpatial, geometry, poolSpatial, slide, spatial } from './window.ts';

interface AnyBinary {
  readonly op: OpType;
  readonly inputs: readonly [Value, Value];
}

/** Types of a node's outputs from its inputs and attributes, as the ONNX operator page states them; or a throw. */
type Infer<K extends OpType> = (node: Node<K>) => readonly Type[];

const same = ({ inputs: [x] }: { inputs: readonly [Value] }): readonly Type[] => [type(x.dtype, x.shape)];

const float = (node: { op: OpType; inputs: readonly [Value] }): readonly Type[] => {
  demand(isFloat(node.inputs[0]), node.op, `needs floating point, got ${node.inputs[0].dtype}`);
  return same(node);
};

const number = (node: { op: OpType; inputs: readonly [Value] }): readonly Type[] => {
  numeric(node.op, node.inputs[0]);
  return same(node);
};

const arithmetic = ({ op, inputs }: AnyBinary): readonly Type[] => {
  demand(inputs.length === 2, op, `needs two values, got ${inputs.length}`);
  const [a, b] = inputs;
  sameDtype(op, a, b);
  numeric(op, a);
  return [type(a.dtype, broadcast(op, a, b))];
};

const equality = ({ op, inputs: [a, b] }: AnyBinary): readonly Type[] => {
  sameDtype(op, a, b);
  return [type('bool', broadcast(op, a, b))];
};

const comparison = (node: AnyBinary): readonly Type[] => {
  numeric(node.op, node.inputs[0]);
  return equality(node);
};

const logical = ({ op, inputs }: { op: OpType; inputs: readonly Value[] }): readonly Type[] => {
  for (const x of inputs) demand(x.dtype === 'bool', op, `needs bool, got ${x.dtype}`);
  return [type('bool', inputs.length === 1 ? inputs[0]!.shape : broadcast(op, inputs[0]!, inputs[1]!))];
};

const reduce = ({
  op,
  inputs: [x],
  attrs: { axes, keepdims = 1 },
}: Node<'ReduceMean' | 'ReduceMax' | 'ReduceSumSquare'>): readonly Type[] => {
  numeric(op, x);
  return [type(x.dtype, reducedShape(op, x.shape, axes, keepdims))];
};

const alongAxis = ({ op, inputs: [x], attrs: { axis = -1 } }: Node<'Softmax' | 'LogSoftmax'>) => {
  normalizeAxis(op, axis, x.shape.length);
  return float({ op, inputs: [x] });
};

/** The shape rule of every operator; a missing entry does not compile. */
export const infer: { readonly [K in OpType]: Infer<K> } = {
  Neg: number,
  Abs: number,
  Sqrt: float,
  Exp: float,
  Log: float,
  Tanh: float,
  Sigmoid: float,
  Relu: number,
  Sign: number,
  Erf: float,
  Sin: float,
  Cos: float,
  Floor: float,
  Ceil: float,
  Round: float,
  Identity: same,
  Not: logical,
  LeakyRelu: float,
  HardSigmoid: float,
  Softmax: alongAxis,
  LogSoftmax: alongAxis,
  Cast: ({ inputs: [x], attrs: { to } }) => [type(to, x.shape)],
  Add: arithmetic,
  Sub: arithmetic,
  Mul: arithmetic,
  Div: arithmetic,
  Pow: arithmetic,
  Max: arithmetic,
  Min: arithmetic,
  Equal: equality,
  Greater: comparison,
  Less: comparison,
  And: logical,
  Where: ({ op, inputs: [condition, a, b] }) => {
    demand(condition.dtype === 'bool', op, `the condition must be bool, got ${condition.dtype}`);
    sameDtype(op, a, b);
    const branches = type(a.dtype, broadcast(op, a, b));
    return [type(a.dtype, broadcast(op, condition, branches))];
  },
  Clip: ({ op, inputs: [x, ...bounds] }) => {
    numeric(op, x);
    sameDtype(op, x, ...bounds);
    for (const bound of bounds) {
      if (bound)
        demand(bound.shape.length === 0, op, `a bound must be a scalar, got ${showShape(bound.shape)}`);
    }
    return [type(x.dtype, x.shape)];
  },
  ReduceSum: ({ op, inputs: [x, axes], attrs: { keepdims = 1, noop_with_empty_axes = 0 } }) => {
    numeric(op, x);
    const list = axes ? known(op, 'axes', axes) : [];
    if (list.length === 0 && noop_with_empty_axes) return [type(x.dtype, x.shape)];
    return [type(x.dtype, reducedShape(op, x.shape, list, keepdims))];
  },
  ReduceMean: reduce,
  ReduceMax: reduce,
  ReduceSumSquare: reduce,
  ArgMax: ({ op, inputs: [x], attrs: { axis = 0, keepdims = 1 } }) => [
    type('int64', reducedShape(op, x.shape, [axis], keepdims)),
  ],
  MatMul: ({ op, inputs: [a, b] }) => {
    sameDtype(op, a, b);
    numeric(op, a);
    demand(a.shape.length > 0 && b.shape.length > 0, op, 'needs values of rank 1 or more, got a scalar');
    const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
    const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
    const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2));
    demand(
      batch !== null && left.at(-1) === right.at(-2),
      op,
      `${showShape(a.shape)} and ${showShape(b.shape)} do not multiply`,
    );
    const rows = a.shape.length === 1 ? [] : [left.at(-2)!];
    const columns = b.shape.length === 1 ? [] : [right.at(-1)!];
    return [type(a.dtype, [...batch, ...rows, ...columns])];
  },
  Gemm: ({ op, inputs: [a, b, c], attrs: { transA = 0, transB = 0 } }) => {
    sameDtype(op, a, b, c);
    demand(a.shape.length === 2 && b.shape.length === 2, op, `needs matrices, got ${shapes(a, b)}`);
    const [m, k] = transA ? a.shape.toReversed() : a.shape;
    const [k2, n] = transB ? b.shape.toReversed() : b.shape;
    demand(k === k2, op, `${shapes(a, b)} do not multiply${transA || transB ? ' after transposition' : ''}`);
    const out = [m!, n!];
    if (c) {
      const sum = broadcastShapes(c.shape, out);
      demand(
        sum !== null && sameShape(sum, out),
        op,
        `C ${showShape(c.shape)} does not fit ${showShape(out)}`,
      );
    }
    return [type(a.dtype, out)];
  },
  Conv: ({ op, inputs: [x, w, b], attrs }) => {
    sameDtype(op, x, w, b);
    demand(
      x.shape.length >= 3 && w.shape.length === x.shape.length,
      op,
      `ranks of ${shapes(x, w)} do not fit`,
    );
    const group = attrs.group ?? 1;
    const channels = divideDims(x.shape[1]!, group);
    demand(channels === w.shape[1], op, `${shapes(x, w)} with group ${group}: channel counts differ`);
    if (b) demand(sameShape(b.shape, [w.shape[0]!]), op, `bias ${showShape(b.shape)} is not [${w.shape[0]}]`);
    return [type(x.dtype, [x.shape[0]!, w.shape[0]!, ...convSpatial(op, x, w, attrs)])];
  },
  ConvTranspose: ({ op, inputs: [x, w, b], attrs }) => {
    sameDtype(op, x, w, b);
    demand(
      x.shape.length >= 3 && w.shape.length === x.shape.length,
      op,
      `ranks of ${shapes(x, w)} do not fit`,
    );
    const group = attrs.group ?? 1;
    demand(
      x.shape[1] === w.shape[0] && divideDims(x.shape[1]!, group) !== null,
      op,
      `${shapes(x, w)} with group ${group}: channel counts differ`,
    );
    const channels = sizeOf([w.shape[1]!, group]);
    if (b) demand(sameShape(b.shape, [channels]), op, `bias ${showShape(b.shape)} is not [${channels}]`);
    return [type(x.dtype, [x.shape[0]!, channels, ...convTransposeSpatial(op, x, w, attrs)])];
  },
  MaxPool: ({ op, inputs: [x], attrs }) => {
    demand(!attrs.storage_order, op, `storage_order ${attrs.storage_order} is not supported, only 0`);
    const shape = [x.shape[0]!, x.shape[1]!, ...poolSpatial(op, x, attrs)];
    return [type(x.dtype, shape), type('int64', shape)];
  },
  // (size - 1) stride + kernel - pads, a direction
  MaxUnpool: ({ op, inputs: [x, indices], attrs }) => {
    demand(indices.dtype === 'int64', op, `indices must be int64, got ${indices.dtype}`);
    demand(sameShape(x.shape, indices.shape), op, `${shapes(x, indices)} differ`);
    const { kernel, strides, begins, ends } = geometry(op, attrs.kernel_shape, attrs);
    demand(kernel.length === x.shape.length - 2, op, `kernel_shape [${kernel}] does not fit ${showType(x)}`);
    const wide = spatial(op, x).map((n, i) => (n - 1) * strides[i]! + kernel[i]! - begins[i]! - ends[i]!);
    return [type(x.dtype, [x.shape[0]!, x.shape[1]!, ...wide])];
  },
  AveragePool: ({ op, inputs: [x], attrs }) => {
    demand(isFloat(x), op, `needs floating point, got ${x.dtype}`);
    demand(!attrs.ceil_mode, op, `ceil_mode ${attrs.ceil_mode} is not supported, only 0`);
    return [type(x.dtype, [x.shape[0]!, x.shape[1]!, ...poolSpatial(op, x, attrs)])];
  },
  GlobalAveragePool: ({ op, inputs: [x] }) => {
    demand(x.shape.length >= 3, op, `needs [N,C,...], got ${showShape(x.shape)}`);
    return [
      type(
        x.dtype,
        x.shape.map((dim, i) => (i < 2 ? dim : 1)),
      ),
    ];
  },
  BatchNormalization: ({ op, inputs: [x, ...parameters], attrs: { training_mode = 0 } }) => {
    demand(training_mode === 0, op, 'training_mode is not supported; build it with nn.batchNorm');
    sameDtype(op, x, ...parameters);
    for (const p of parameters) {
      demand(sameShape(p.shape, [x.shape[1]!]), op, `parameter ${showShape(p.shape)} is not [${x.shape[1]}]`);
    }
    return [type(x.dtype, x.shape)];
  },
  ...inferMovement,
  ConvWeightGrad: ({ op, inputs: [x, dy], attrs }) => {
    const { kernel_shape } = attrs;
    sameDtype(op, x, dy);
    const convolved = [x.shape[0]!, dy.shape[1]!, ...slide(op, x, geometry(op, kernel_shape, attrs))];
    demand(
      sameShape(convolved, dy.shape),
      op,
      `cotangent ${showShape(dy.shape)} is not ${showShape(convolved)}`,
    );
    const group = attrs.group ?? 1;
    const channels = divideDims(x.shape[1]!, group);
    demand(
      channels !== null && divideDims(dy.shape[1]!, group) !== null,
      op,
      `${shapes(x, dy)} with group ${group}: channel counts differ`,
    );
    return [type(x.dtype, [dy.shape[1]!, channels, ...kernel_shape])];
  },
  MaxPoolGrad: ({ op, inputs: [x, dy], attrs }) => {
    sameDtype(op, x, dy);
    const pooled = [x.shape[0]!, x.shape[1]!, ...poolSpatial(op, x, attrs)];
    demand(sameShape(pooled, dy.shape), op, `cotangent ${showShape(dy.shape)} is not ${showShape(pooled)}`);
    return same({ inputs: [x] });
  },
  StopGradient: same,
};
