import { constant, isFloat, type Graph, type Value } from '../ir.ts';
import { div, matmul, mul, neg, reshape } from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { isStatic } from '../shape.ts';
import { reductionOf } from './reduce.ts';

/** Rows from which on a product is quicker than ONNX Runtime's reduction. */
const many = 64;

/**
 * Sums over every axis but the last as a product with a row of ones, [1,M] [M,C]: on a CPU three to four times as fast
 * as ReduceSum. Means and sums of squares follow from them; a sign moves out of the sum, where it costs nothing.
 */
export const sumsByProduct = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    const reduced = reductionOf(node);
    const [x] = node.inputs as readonly [Value];
    if (!reduced || !isFloat(x) || !isStatic(x.shape)) return null;
    const channels = x.shape.at(-1)!;
    const rows = x.shape.slice(0, -1).reduce((n, dim) => n * dim, 1);
    const isColumnwise =
      reduced.axes.length === x.shape.length - 1 && !reduced.axes.includes(x.shape.length - 1);
    if (!isColumnwise || rows < many || channels < 2) return null;
    const sum = (value: Value): Value => {
      const negated =
        value.source.kind === 'node' && value.source.op === 'Neg' ? value.source.inputs[0]! : null;
      const matrix = reshape(negated ?? value, [rows, channels]);
      const total = reshape(matmul(ones(rows, x.dtype), matrix), node.outputs[0]!.shape as number[]);
      return negated ? neg(total) : total;
    };
    switch (node.op) {
      case 'ReduceSum':
        return [sum(x)];
      case 'ReduceMean':
        return [div(sum(x), rows)];
      case 'ReduceSumSquare':
        return [sum(mul(x, x))];
      default:
        return null;
    }
  });

const ones = (count: number, dtype: Value['dtype']): Value =>
  constant({
    dtype,
    shape: [1, count],
    data: dtype === 'float64' ? new Float64Array(count).fill(1) : new Float32Array(count).fill(1),
  });
