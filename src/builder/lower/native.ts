import { constant, scalar, tensorOf, type Node, type Value, type Window } from '../ir.ts';
import {
  add,
  concat,
  conv,
  equal,
  maxPool,
  maxUnpool,
  mul,
  reshape,
  reshapeTo,
  scatterAdd,
  shapeOf,
  slice,
  transpose,
  where,
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
  const { kernel_shape, strides } = attrs as { kernel_shape: readonly number[]; strides: readonly number[] };
  const isPairs = kernel_shape.length === 2 && kernel_shape.every((k) => k === 2);
  const indices = isPairs ? indicesOfPairs(x, attrs) : maxPool(x, attrs).indices;
  return maxUnpool(dy, indices, { kernel_shape, strides });
}

/**
 * Where the maxima of 2x2 windows are, without MaxPool's own indices: it looks for those one number after the other and takes
 * ten times as long as for the maxima alone. The first of equal ones, as there.
 */
function indicesOfPairs(x: Value, attrs: Window): Value {
  const [h, w] = spatial('MaxPoolGrad', x) as readonly [number, number];
  const { y } = maxPool(x, attrs);
  const largest = (kernel_shape: readonly number[]): Value => maxPool(x, { kernel_shape, strides: [2, 2] }).y;
  const at = (index: number): Value => scalar(index, 'int64');
  const within = where(
    equal(largest([1, 2]), y),
    where(equal(largest([1, 1]), y), at(0), at(1)),
    where(equal(largest([2, 1]), y), at(w), at(w + 1)),
  );
  const corners = Array.from(
    { length: (h / 2) * (w / 2) },
    (_, i) => 2 * w * Math.floor(i / (w / 2)) + 2 * (i % (w / 2)),
  );
  const corner = constant(tensorOf('int64', [h / 2, w / 2], corners));
  // the index of a window of one pixel in an image of one pixel is the number of the image
  const images = maxPool(slice(x, [0, 0], [1, 1], [2, 3]), { kernel_shape: [1, 1] }).indices;
  return add(add(within, corner), mul(images, at(h * w)));
}

/**
 * ConvWeightGrad as a convolution in which batch and channels change places: x [C/group,group*N,...] with the cotangent
 * [M,N,...] as its kernel. Stride and dilation change places too. What the stride left over shows as extra rows, which
 * are cut off.
 */
export function convWeightGradByConv({ inputs: [x, dy], attrs }: Node<'ConvWeightGrad'>): Value {
  const { kernel_shape: kernel, strides, pads, dilations, group = 1 } = attrs;
  const axes = kernel.map((_, i) => i + 2);
  const swap = [1, 0, ...axes];
  const wide = conv(group === 1 ? transpose(x, swap) : batchOfGroups(x, group), transpose(dy, swap), null, {
    dilations: strides,
    pads,
    ...(dilations && { strides: dilations }),
    ...(group !== 1 && { group }),
  });
  const exact = spatial('ConvWeightGrad', wide).every((size, i) => size === kernel[i]);
  const zeros = kernel.map(() => 0);
  return transpose(exact ? wide : slice(wide, zeros, kernel, axes), swap);
}

/** [N,C,...] -> [C/group,group*N,...]: the images of each group's channels side by side. */
function batchOfGroups(x: Value, group: number): Value {
  const sizes = spatial('ConvWeightGrad', x);
  const channels = Number(x.shape[1]) / group;
  const split = reshape(x, [-1, group, channels, ...sizes]);
  const last = sizes.map((_, i) => i + 3);
  return reshape(transpose(split, [2, 1, 0, ...last]), [channels, -1, ...sizes]);
}

/**
 * A convolution as one of two groups that both see the whole image. ONNX Runtime's WebGPU computes a convolution of groups
 * number by number, without barriers.
 */
export function convByTwoGroups({ inputs: [x, w, b], attrs }: Node<'Conv'>): Value {
  const channels = w.shape[0] as number;
  const isEven = channels % 2 === 0;
  const twice = (value: Value): Value => concat([value, value], 0);
  const own = isEven ? ([w, b ?? null] as const) : ([twice(w), b ? twice(b) : null] as const);
  const y = conv(concat([x, x], 1), ...own, { ...attrs, group: 2 });
  return isEven ? y : slice(y, [0], [channels], [1]);
}
