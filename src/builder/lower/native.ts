import type { Node, Value } from '../ir.ts';
import {
  conv,
  maxPool,
  maxUnpool,
  reshape,
  reshapeTo,
  scatterAdd,
  shapeOf,
  slice,
  transpose,
  zerosLike,
} from '../ops.ts';
import { spatial } from '../window.ts';

/** MaxPoolGrad in ONNX: zeros of x's shape with the cotangent added where MaxPool found its maxima. */
export function maxPoolGradByScatter({ inputs: [x, dy], attrs }: Node<'MaxPoolGrad'>): Value {
  const { indices } = maxPool(x, attrs);
  const zeros = reshape(zerosLike(x), [-1]);
  return reshapeTo(scatterAdd(zeros, reshape(indices, [-1]), reshape(dy, [-1])), shapeOf(x));
}

/** MaxPoolGrad of windows that tile the image: the cotangent put where MaxPool found its maxima. */
export function maxPoolGradByUnpool({ inputs: [x, dy], attrs }: Node<'MaxPoolGrad'>): Value {
  const { indices } = maxPool(x, attrs);
  const { kernel_shape, strides } = attrs as { kernel_shape: readonly number[]; strides: readonly number[] };
  return maxUnpool(dy, indices, { kernel_shape, strides });
}

/**
 * ConvWeightGrad as a convolution in which batch and channels change places: x [C,N,...] with the cotangent [M,N,...]
 * as its kernel, dilated by the stride. What the stride left over shows as extra rows, which are cut off.
 */
export function convWeightGradByConv({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const { kernel_shape: kernel, strides, pads } = attrs;
  const axes = kernel.map((_, i) => i + 2);
  const swap = [1, 0, ...axes];
  const wide = conv(transpose(x, swap), transpose(dy, swap), null, { dilations: strides, pads });
  const exact = spatial('ConvWeightGrad', wide).every((size, i) => size === kernel[i]);
  const zeros = kernel.map(() => 0);
  return transpose(exact ? wide : slice(wide, zeros, kernel, axes), swap);
}
