import {
  constantNumbers,
  input,
  inputName,
  reshape,
  rewrite,
  type AnyNode,
  type Dim,
  type Graph,
  type Value,
} from '../../builder/index.ts';

/**
 * A graph whose batch is a number, for any batch: what it reshapes to that number of rows keeps as many as there are.
 * Whether that is the same function does not follow from the graph alone; whoever uses it compares.
 *
 * @throws Error when another operator needs the number.
 */
export function loosened(graph: Graph, batch: number, symbol: Dim): Graph {
  const keeping = rewrite(graph, (node) => keepsRows(node, batch));
  const open = new Map(
    graph.inputs.map((x) => [
      x.source as object,
      input(inputName(x), x.dtype, [symbol, ...x.shape.slice(1)]),
    ]),
  );
  const { outputs } = rewrite(
    keeping,
    () => null,
    (value) => open.get(value.source) ?? value,
  );
  return { ...graph, inputs: graph.inputs.map((x) => open.get(x.source)!), outputs };
}

/** Reshape to `batch` rows, as one that keeps the rows that it is given: a 0 in its shape says so. */
function keepsRows({ op, inputs, attrs }: AnyNode, batch: number): readonly Value[] | null {
  if (op !== 'Reshape' || (attrs as { readonly allowzero?: number }).allowzero) return null;
  const [x, shape] = inputs as readonly [Value, Value];
  const [rows, ...rest] = constantNumbers(shape) ?? [];
  return rows === batch && x.shape[0] === batch ? [reshape(x, [0, ...rest])] : null;
}
