import {
  constant,
  topologicalOrder,
  type AnyNode,
  type Constant,
  type Graph,
  type Tensor,
  type TensorData,
  type Value,
  type Ops,
} from '../ir.ts';
import { rewrite } from '../rewrite.ts';

/**
 * A transposed weight becomes the weight as it is wanted, under its own name: what an exported model holds. A weight
 * that is read in more ways than one (tied weights) is left as it is, because its name stands for one tensor.
 */
export function foldTransposes(graph: Graph): Graph {
  const uses = usesOfConstants(graph);
  const folded = new Map<Constant, Value>();
  return rewrite(graph, (node) => {
    const source = node.inputs[0]?.source;
    if (node.op !== 'Transpose' || source?.kind !== 'constant' || uses.get(source)?.size !== 1) return null;
    const own = folded.get(source) ?? constant(transposed(source.tensor, permOf(node)), source.name);
    folded.set(source, own);
    return [own];
  });
}

/** How each constant is read: as it is, or transposed in some way. */
function usesOfConstants({ outputs }: Graph): ReadonlyMap<Constant, ReadonlySet<string>> {
  const uses = new Map<Constant, Set<string>>();
  const use = (x: Value | null | undefined, how: string): void => {
    if (x?.source.kind !== 'constant') return;
    uses.set(x.source, (uses.get(x.source) ?? new Set()).add(how));
  };
  for (const node of topologicalOrder(Object.values(outputs))) {
    const how = node.op === 'Transpose' ? permOf(node).join() : 'as it is';
    node.inputs.forEach((x) => use(x, how));
  }
  Object.values(outputs).forEach((y) => use(y, 'as it is'));
  return uses;
}

function permOf(node: AnyNode): readonly number[] {
  const { perm } = node.attrs as Ops['Transpose']['attrs'];
  return perm ?? node.outputs[0]!.shape.map((_, i, { length }) => length - 1 - i);
}

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
