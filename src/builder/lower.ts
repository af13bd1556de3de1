import { scalar, type AnyNode, type Graph, type Node, type Value } from './ir.ts';
import {
  conv,
  elementCount,
  expand,
  maxPool,
  reshape,
  reshapeTo,
  scatterAdd,
  shapeOf,
  slice,
  transpose,
  unsqueeze,
} from './ops.ts';
import { rewrite } from './rewrite.ts';
import { spatial } from './window.ts';

/** The graph in ONNX operators only: what differentiation left over is expanded. */
export const lower = (graph: Graph): Graph => rewrite(graph, expandPrivate);

function expandPrivate(node: AnyNode): readonly Value[] | null {
  switch (node.op) {
    case 'StopGradient':
      return [node.inputs[0]!];
    case 'MaxPoolGrad':
      return [maxPoolGradByScatter(node as Node<'MaxPoolGrad'>)];
    case 'ConvWeightGrad':
      return [convWeightGradByConv(node as Node<'ConvWeightGrad'>)];
    default:
      return null;
  }
}

/** Zeros of x's shape with the cotangent added where MaxPool found its maxima. */
function maxPoolGradByScatter({ inputs: [x, dy], attrs }: Node<'MaxPoolGrad'>): Value {
  const { indices } = maxPool(x, attrs);
  const size = unsqueeze(elementCount(x, 'int64'), [0]);
  const zeros = expand(scalar(0, x.dtype), size);
  return reshapeTo(scatterAdd(zeros, reshape(indices, [-1]), reshape(dy, [-1])), shapeOf(x));
}

/**
 * dW as a convolution in which batch and channels change places: x [C,N,...] with the cotangent [M,N,...] as its
 * kernel, dilated by the stride. What the stride left over shows as extra rows, which are cut off.
 */
function convWeightGradByConv({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const { kernel_shape: kernel, strides, pads } = attrs;
  const swap = [1, 0, ...kernel.map((_, i) => i + 2)];
  const wide = conv(transpose(x, swap), transpose(dy, swap), null, { dilations: strides, pads });
  const axes = kernel.map((_, i) => i + 2);
  const exact = spatial('ConvWeightGrad', wide).every((size, i) => size === kernel[i]);
  return transpose(
    exact
      ? wide
      : slice(
          wide,
          kernel.map(() => 0),
          kernel,
          axes,
        ),
    swap,
  );
}
