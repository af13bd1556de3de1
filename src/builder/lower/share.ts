import type { AnyNode, Constant, Graph, TensorData, Value } from '../ir.ts';
import { rewrite } from '../rewrite.ts';

/** Nodes of the same operator, inputs and attributes become one (common subexpressions); equal constants too. */
export function share(graph: Graph): Graph {
  const ids = new Map<object, number>();
  const idOf = (key: object): number => {
    const known = ids.get(key);
    if (known !== undefined) return known;
    ids.set(key, ids.size);
    return ids.size - 1;
  };
  const nodes = new Map<string, AnyNode>();
  const constants = new Map<string, Value>();
  const leaf = (value: Value): Value => {
    if (value.source.kind !== 'constant') return value;
    const text = constantKey(value.source);
    if (text === null) return value;
    const first = constants.get(text);
    if (first) return first;
    constants.set(text, value);
    return value;
  };
  const keyOf = (x: Value | null | undefined): string =>
    x ? `${idOf(x.source.kind === 'node' ? x : x.source)}` : '_';
  return rewrite(
    graph,
    (node) => {
      if ('body' in node.attrs) return null;
      const text = `${node.op}(${node.inputs.map(keyOf).join()})${JSON.stringify(node.attrs)}`;
      const first = nodes.get(text);
      if (first) return first.outputs;
      nodes.set(text, node);
      return null;
    },
    leaf,
  );
}

/** Longer constants are weights, whose content is no key. */
const longestKey = 16384;

/** Content of a nameless constant; weights are left alone. */
function constantKey({ tensor, name }: Constant): string | null {
  return name === undefined && tensor.data.length <= longestKey
    ? `${tensor.dtype}[${tensor.shape.join()}]${bits(tensor.data).join()}`
    : null;
}

/** Floating-point numbers as integers, so that 0 and -0 stay different. */
function bits(data: TensorData): TensorData {
  if (data instanceof Float32Array) return new Int32Array(data.buffer, data.byteOffset, data.length);
  if (data instanceof Float64Array) return new BigInt64Array(data.buffer, data.byteOffset, data.length);
  return data;
}
