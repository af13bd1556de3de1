import type { AnyNode, DType, OpType } from '../../src/builder/index.ts';

/** A kernel of ONNX Runtime's CUDA provider. */
export interface Kernel {
  /** The first and the last opset that it is for; no last one where the table ends in `+`. */
  readonly opsets: readonly [first: number, last?: number];
  /** The type parameter of each input and output; the last input stands for all further ones. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What each parameter may be, of the types that the builder has. */
  readonly types: Readonly<Record<string, readonly DType[]>>;
}

const floats = ['float32', 'float64'] as const;
const comparable = [...floats, 'int32', 'int64'] as const;
const numbers = [...comparable, 'uint8'] as const;
const all = [...numbers, 'bool'] as const;
const int64 = ['int64'] as const;
const bool = ['bool'] as const;
const indices = ['int32', 'int64'] as const;

/** A row: `T T -> T`, the opsets, and the types. */
function kernel(signature: string, opsets: Kernel['opsets'], types: Kernel['types']): Kernel {
  const [inputs, outputs] = signature.split(' -> ').map((side) => side.split(' ')) as [string[], string[]];
  return { inputs, outputs, opsets, types: { int64, ...types } };
}

/**
 * Facts from docs/OperatorKernels.md of microsoft/onnxruntime at commit 001d12d2623fd411ce0f83d05abb5e82304a3389, section
 * "Operators implemented by CUDAExecutionProvider": of each operator that our programs use, the row that holds opset 17.
 */
export const cudaKernels: Readonly<Partial<Record<OpType, Kernel>>> = {
  Add: kernel('T T -> T', [14], { T: numbers }),
  Cast: kernel('T1 -> T2', [13, 18], { T1: all, T2: all }),
  Clip: kernel('T T T -> T', [13], { T: [...floats, 'int64', 'uint8'] }),
  Concat: kernel('T -> T', [13], { T: all }),
  Div: kernel('T T -> T', [14], { T: numbers }),
  Equal: kernel('T T -> T1', [13], { T: [...comparable, 'bool'], T1: bool }),
  Exp: kernel('T -> T', [13], { T: floats }),
  Expand: kernel('T int64 -> T', [13], { T: all }),
  Gather: kernel('T Tind -> T', [13], { T: all, Tind: indices }),
  Gemm: kernel('T T T -> T', [13], { T: floats }),
  Greater: kernel('T T -> T1', [13], { T: comparable, T1: bool }),
  Identity: kernel('V -> V', [14, 18], { V: all }),
  LeakyRelu: kernel('T -> T', [16], { T: floats }),
  Less: kernel('T T -> T1', [13], { T: comparable, T1: bool }),
  Log: kernel('T -> T', [13], { T: floats }),
  Loop: kernel('I B V -> V', [13, 18], { I: int64, B: bool, V: all }),
  MatMul: kernel('T T -> T', [13], { T: floats }),
  Max: kernel('T -> T', [13], { T: comparable }),
  Mul: kernel('T T -> T', [14], { T: numbers }),
  Neg: kernel('T -> T', [13], { T: comparable }),
  Not: kernel('T -> T', [1], { T: bool }),
  Pad: kernel('T int64 T -> T', [13, 17], { T: [...floats, 'bool'] }),
  Pow: kernel('T T1 -> T', [15], { T: comparable, T1: comparable }),
  ReduceSum: kernel('T int64 -> T', [13], { T: comparable }),
  Relu: kernel('T -> T', [14], { T: floats }),
  Reshape: kernel('T int64 -> T', [14, 18], { T: all }),
  Shape: kernel('T -> T1', [15, 18], { T: all, T1: int64 }),
  Size: kernel('T -> T1', [13], { T: all, T1: int64 }),
  Slice: kernel('T Tind Tind Tind Tind -> T', [13], { T: all, Tind: indices }),
  Softmax: kernel('T -> T', [13], { T: floats }),
  Sqrt: kernel('T -> T', [13], { T: floats }),
  Squeeze: kernel('T int64 -> T', [13, 20], { T: all }),
  Sub: kernel('T T -> T', [14], { T: numbers }),
  Tanh: kernel('T -> T', [13], { T: floats }),
  Transpose: kernel('T -> T', [13, 20], { T: all }),
  Unsqueeze: kernel('T int64 -> T', [13, 20], { T: all }),
  Where: kernel('B T T -> T', [16], { B: bool, T: numbers }),
};

/** Why the CUDA provider has no kernel for a node at an opset; null where it has one. */
export function withoutKernel(node: AnyNode, opset: number): string | null {
  const row = cudaKernels[node.op];
  if (!row) return `${node.op} is not in the table`;
  const [first, last = Infinity] = row.opsets;
  if (opset < first || opset > last) return `${node.op} is for opsets ${first} to ${last}, not ${opset}`;
  const sides = [
    [node.inputs, row.inputs],
    [node.outputs, row.outputs],
  ] as const;
  for (const [values, parameters] of sides) {
    for (const [i, value] of values.entries()) {
      const parameter = parameters[i] ?? parameters.at(-1)!;
      if (value && !row.types[parameter]!.includes(value.dtype))
        return `${node.op} has no ${value.dtype} for ${parameter}`;
    }
  }
  return null;
}
