import * as b from '../../src/builder/index.ts';
import { convByGemm, convTransposeByColumns, convWeightGradByGemm } from '../../src/builder/lower/gemm.ts';
import { averagePoolByTaps } from '../../src/builder/lower/pool.ts';
import { maxPoolGradByScatter } from '../../src/builder/lower/native.ts';
import { graphOf } from './run.ts';

/**
 * A graph of float32 computed in float64: finite differences of a whole network need it. ONNX Runtime has no
 * convolutions of doubles, so these stand as matrix products.
 */
export function inDouble(graph: b.Graph): b.Graph {
  const products = b.rewrite(graph, (node) => {
    switch (node.op) {
      case 'Conv':
        return [convByGemm(node as b.Node<'Conv'>)];
      case 'ConvTranspose':
        return [convTransposeByColumns(node as b.Node<'ConvTranspose'>)];
      case 'ConvWeightGrad':
        return [convWeightGradByGemm(node as b.Node<'ConvWeightGrad'>)];
      case 'AveragePool':
        return [averagePoolByTaps(node as b.Node<'AveragePool'>)];
      case 'GlobalAveragePool':
        return [b.reduceMean(node.inputs[0]!, { axes: [2, 3], keepdims: true })];
      case 'MaxPoolGrad':
        return [maxPoolGradByScatter(node as b.Node<'MaxPoolGrad'>)];
      case 'StopGradient':
        return [node.inputs[0]!];
      default:
        return null;
    }
  });
  const isNarrowing = (node: b.AnyNode): boolean =>
    node.op === 'Cast' && (node.attrs as b.Ops['Cast']['attrs']).to === 'float32';
  const doubled = b.rewrite(
    products,
    (node) => (isNarrowing(node) ? [b.cast(node.inputs[0]!, 'float64')] : null),
    widened,
  );
  return b.lower(graphOf(doubled.outputs), 'plain');
}

/** An input or constant of float32 as float64; any other as it is. */
function widened(value: b.Value): b.Value {
  const { source } = value;
  if (value.dtype !== 'float32' || source.kind === 'node') return value;
  if (source.kind === 'input') return b.input(source.name, 'float64', value.shape);
  return b.constant(doubleOf(source.tensor), source.name);
}

/** The same numbers as float64. */
export const doubleOf = ({ shape, data }: b.Tensor): b.Tensor => ({
  dtype: 'float64',
  shape,
  data: Float64Array.from(data as Float32Array),
});
