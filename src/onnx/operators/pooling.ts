import { constant, ints, scalar, tensorOf, type Value } from '../../builder/ir.ts';
import {
  abs,
  averagePool,
  apply,
  conv,
  expand,
  gather,
  max,
  mul,
  pow,
  reshape,
  scatterAdd,
} from '../../builder/ops.ts';
import { knownShape } from '../../builder/fold-constants.ts';
import { sizeOf } from '../../builder/shape.ts';
import { spatial } from '../../builder/window.ts';
import type { Family, Foreign, Importer } from '../foreign.ts';
import { reshapeAs } from './movement.ts';
import { primitive } from './primitive.ts';
import { brief, windowOf, type Full } from './window.ts';

const poolWindow = (node: Foreign): Full => {
  const kernel = node.ints('kernel_shape');
  if (!kernel) throw new Error('has no kernel_shape');
  return windowOf(node, kernel);
};

function maxPool(node: Foreign): readonly Value[] {
  const ceil_mode = node.int('ceil_mode', 0);
  const sizes = spatial(node.op, node.x);
  const own = poolWindow(node);
  const { kernel_shape, ...window } = fitted(sizes, own, positions(sizes, own, ceil_mode === 1));
  const [y, indices] = apply('MaxPool', [node.x], {
    kernel_shape,
    ...brief({ kernel_shape, ...window }),
    ceil_mode,
  }) as [Value, Value];
  return [y, node.int('storage_order', 0) === 1 && node.outputs[1] ? byColumns(indices, node.x) : indices];
}

/** Places in images [N,C,H,W], counted row by row, as they are counted column by column. */
function byColumns(places: Value, x: Value): Value {
  const shape = knownShape('MaxPool', x);
  if (shape.length !== 4) throw new Error('storage_order 1 is supported for images only');
  const [height, width] = shape.slice(2) as [number, number];
  const table = Array.from({ length: product(shape) }, (_, place) => {
    const inPlane = place % (height * width);
    return place - inPlane + (inPlane % width) * height + Math.floor(inPlane / width);
  });
  return gather(ints(table), places);
}

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** How many windows fit along each axis. With `ceil`, one that begins inside the image or its begin padding counts too. */
const positions = (
  sizes: readonly number[],
  { kernel_shape, strides, pads, dilations }: Full,
  ceil: boolean,
) =>
  sizes.map((size, i) => {
    const [begin, end] = [pads[i]!, pads[i + sizes.length]!];
    const room = size + begin + end - dilations[i]! * (kernel_shape[i]! - 1) - 1;
    const count = (ceil ? Math.ceil : Math.floor)(room / strides[i]!) + 1;
    return ceil && (count - 1) * strides[i]! >= size + begin ? count - 1 : count;
  });

/**
 * The window no larger than the image, on axes where its only position covers all of it. Some files pool over a whole
 * image with a kernel of thousands, whose gradient would be as large.
 */
function fitted(sizes: readonly number[], window: Full, counts: readonly number[]): Full {
  const covers = sizes.map(
    (size, i) =>
      counts[i] === 1 && window.dilations[i] === 1 && window.kernel_shape[i]! >= size + window.pads[i]!,
  );
  const on = (list: readonly number[], value: (axis: number) => number): readonly number[] =>
    list.map((own, i) => (covers[i % sizes.length] ? value(i % sizes.length) : own));
  return {
    ...window,
    kernel_shape: on(window.kernel_shape, (axis) => sizes[axis]!),
    strides: on(window.strides, () => 1),
    pads: on(window.pads, () => 0),
  };
}

/** The window with end pads that reach as far as its last position does. */
function reaching(sizes: readonly number[], window: Full, counts: readonly number[]): Full {
  const { kernel_shape, strides, pads, dilations } = window;
  const begins = pads.slice(0, sizes.length);
  const ends = sizes.map((size, i) => {
    const last = (counts[i]! - 1) * strides[i]! + dilations[i]! * (kernel_shape[i]! - 1) + 1;
    return Math.max(0, last - size - begins[i]!);
  });
  return { ...window, pads: [...begins, ...ends] };
}

/**
 * The sum of each window, over the elements that it counts: those of the image or, with `includePad`, of the image and
 * the pads that the file gives, but never of what rounding up adds.
 */
function average(node: Foreign, x: Value, given: Full): Value {
  const ceil = node.int('ceil_mode', 0) === 1;
  const includePad = node.int('count_include_pad', 0) === 1;
  const sizes = spatial(node.op, x);
  const counts = positions(sizes, given, ceil);
  const countsPads = includePad && given.pads.some((p) => p > 0);
  const window = countsPads ? given : fitted(sizes, given, counts);
  const { kernel_shape, strides, pads, dilations } = window;
  const wide = reaching(sizes, window, counts);
  const isDense = dilations.every((d) => d === 1);
  const isExact = wide.pads.every((p, i) => p <= pads[i]!);
  if (isDense && (!includePad || isExact)) {
    // pads that no window reaches are left out, as ONNX Runtime wants them smaller than the kernel
    const attrs = { kernel_shape, strides, pads: wide.pads, ...(includePad && { count_include_pad: 1 }) };
    return averagePool(x, attrs);
  }
  const counted = sizes.map((size, i) => {
    const [low, high] = includePad ? [-pads[i]!, size + pads[i + sizes.length]!] : [0, size];
    return Array.from({ length: counts[i]! }, (_, at) => {
      const taps = Array.from(
        { length: kernel_shape[i]! },
        (__, k) => at * strides[i]! - pads[i]! + k * dilations[i]!,
      );
      return taps.filter((tap) => tap >= low && tap < high).length;
    });
  });
  const all = counted.reduce((so, own) => so.flatMap((a) => own.map((b) => a * b)), [1]);
  const shares = constant(
    tensorOf(
      x.dtype,
      [1, 1, ...counts],
      all.map((n) => 1 / n),
    ),
  );
  return mul(sums(x, wide), shares);
}

/** The sum of each window: every channel through a convolution with ones. */
function sums(x: Value, window: Full): Value {
  const { kernel_shape } = window;
  const sizes = spatial('AveragePool', x);
  const ones = constant(
    tensorOf(x.dtype, [1, 1, ...kernel_shape], new Array<number>(product(kernel_shape)).fill(1)),
  );
  const y = conv(reshapeAs(x, [sizeOf(x.shape.slice(0, 2)), 1, ...sizes]), ones, null, brief(window));
  return reshapeAs(y, [
    x.shape[0]!,
    x.shape[1]!,
    ...knownShape('AveragePool', { ...y, shape: y.shape.slice(2) }),
  ]);
}

/** (mean of |x|^p times the number of elements)^(1/p) */
function lpPool(node: Foreign): Value {
  const p = node.int('p', 2);
  const window = poolWindow(node);
  const sizes = spatial(node.op, node.x);
  const counts = positions(sizes, window, node.int('ceil_mode', 0) === 1);
  // a root has no slope at 0
  const total = max(sums(pow(abs(node.x), p), reaching(sizes, window, counts)), 1.2e-38);
  return pow(total, 1 / p);
}

/** As large as the windows make it, or as the third input says: then the indices count in that size. */
const unpooled: Importer = (node) => {
  if (!node.maybe(2)) return primitive('MaxUnpool', 2)(node);
  for (const name of ['kernel_shape', 'strides', 'pads']) node.ints(name);
  const shape = node.known(2);
  const flat = (y: Value): Value => reshape(y, [-1]);
  const zeros = expand(scalar(0, node.x.dtype), ints([product(shape)]));
  return reshape(scatterAdd(zeros, flat(node.at(1)), flat(node.x)), shape);
};

export const pooling: Family = {
  MaxPool: { 1: maxPool },
  AveragePool: { 1: (node) => average(node, node.x, poolWindow(node)) },
  LpPool: { 2: lpPool },
  MaxUnpool: { 9: unpooled },
};
