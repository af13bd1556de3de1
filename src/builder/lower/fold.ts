import { constant, type Graph, type Tensor, type TensorData } from '../ir.ts';
import type { Ops } from '../ops.ts';
import { rewrite } from '../rewrite.ts';

/** A transposed weight becomes the weight as it is wanted, under its own name: what an exported model holds. */
export const foldTransposes = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    const source = node.inputs[0]?.source;
    if (node.op !== 'Transpose' || source?.kind !== 'constant') return null;
    const rank = source.tensor.shape.length;
    const { perm } = node.attrs as Ops['Transpose']['attrs'];
    const order = perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
    return [constant(transposed(source.tensor, order), source.name)];
  });

function transposed({ dtype, shape, data }: Tensor, perm: readonly number[]): Tensor {
  const out = data.slice();
  const dims = perm.map((axis) => shape[axis]!);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const steps = perm.map((axis) => strides[axis]!);
  const at = new Array<number>(dims.length).fill(0);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from]!;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++at[axis]! < dims[axis]!) break;
      from -= steps[axis]! * dims[axis]!;
      at[axis] = 0;
    }
  }
  return { dtype, shape: dims, data: out as TensorData };
}
