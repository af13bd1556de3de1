import { evaluate } from './evaluate.ts';
import { constant, input, inputName, type Graph, type Tensor, type Value } from './ir.ts';
import { rewrite } from './rewrite.ts';
import { isStatic, showShape, type Dim, type Shape } from './shape.ts';

/** A repeated constant that is larger than this stays an Expand: a file of zeros is no shorter for being written out. */
const mostRepeated = 4096;

/**
 * The value as a constant where it depends on nothing but constants and known sizes; the value itself otherwise.
 *
 * @param name is what a constant that is made here is called in a file.
 */
export function folded(value: Value, name?: string): Value {
  const { source } = value;
  if (source.kind !== 'node') return value;
  const tensor = evaluate(value);
  if (!tensor || (source.op === 'Expand' && tensor.data.length > mostRepeated)) return value;
  return constant(tensor, nameOf(tensor, name));
}

/** Weights keep a name of their own; numbers and shapes need none. */
const nameOf = ({ dtype, data }: Tensor, name?: string): string | undefined =>
  dtype.startsWith('float') && data.length > 1 ? name : undefined;

/** The graph without the nodes whose results are known now. */
export const foldConstants = (graph: Graph): Graph =>
  rewrite(graph, (node) => node.outputs.map((y) => folded(y)));

/**
 * The graph for inputs of known sizes: `sizes` gives the number of an open dimension such as `batch`. Shapes that the
 * graph computes from them disappear. Throws on a name that no input has.
 */
export function bindDims(graph: Graph, sizes: Readonly<Record<string, number>>): Graph {
  const symbols = new Set(graph.inputs.flatMap(({ shape }) => shape.flatMap(symbolsOf)));
  for (const name of Object.keys(sizes)) {
    if (!symbols.has(name)) {
      const open = [...symbols].join(', ') || 'none';
      throw new Error(`bind: ${graph.name} has no open dimension ${name}; it has ${open}`);
    }
  }
  const bound = new Map(
    graph.inputs.map((x) => [x.source as object, input(inputName(x), x.dtype, withSizes(x.shape, sizes))]),
  );
  const { outputs } = rewrite(
    graph,
    (node) => node.outputs.map((y) => folded(y)),
    (value) => bound.get(value.source) ?? value,
  );
  return { ...graph, inputs: graph.inputs.map((x) => bound.get(x.source)!), outputs };
}

const symbolsOf = (dim: Dim): readonly string[] =>
  typeof dim === 'number' ? [] : dim.split('*').filter((part) => !/^\d+$/.test(part));

/** A shape with numbers for some of its symbols. */
export const withSizes = (shape: Shape, sizes: Readonly<Record<string, number>>): Shape =>
  shape.map((dim) => {
    if (typeof dim === 'number') return dim;
    const factors = dim.split('*').map((part) => sizes[part] ?? part);
    const open = factors.filter((part) => typeof part === 'string' && !/^\d+$/.test(part));
    const size = factors.reduce<number>((a, part) => a * (Number(part) || 1), 1);
    return open.length === 0 ? size : [...(size === 1 ? [] : [size]), ...open].join('*');
  });

/** The value's shape as numbers. Throws, naming what needs them, when a dimension is open. */
export function knownShape(what: string, { shape }: Value): readonly number[] {
  if (!isStatic(shape)) throw new Error(`${what} needs known sizes, got ${showShape(shape)}; bind them`);
  return shape;
}
