import type { Node, Value } from '../ir.ts';
import {
  add,
  cast,
  concat,
  equal,
  max,
  maxPool,
  mul,
  reshape,
  slice,
  sub,
  transpose,
  unsqueeze,
} from '../ops.ts';
import { geometry, poolSpatial, spatial } from '../window.ts';
import { channels, image, rows } from './rows.ts';

/** Whether a pool's windows tile a two-dimensional image: stride equal to kernel, no padding, nothing left over. */
export function tiles({ op, inputs, attrs }: Node<'MaxPool' | 'MaxPoolGrad' | 'AveragePool'>): boolean {
  const [x] = inputs;
  const g = geometry(op, attrs.kernel_shape ?? [], attrs);
  const pooled = poolSpatial(op, x, attrs);
  return (
    g.kernel.length === 2 &&
    spatial(op, x).every(
      (size, i) =>
        g.kernel[i] === g.strides[i] &&
        g.dilations[i] === 1 &&
        g.begins[i] === 0 &&
        pooled[i]! * g.kernel[i]! === size,
    )
  );
}

/** MaxPool of two-dimensional tiling windows: the largest of its taps. */
export function maxPoolByTaps({ inputs: [x], attrs }: Node<'MaxPool'>): Value {
  return tapsOf(x, attrs.kernel_shape as Kernel).reduce((y, tap) => max(y, tap));
}

/** AveragePool of two-dimensional tiling windows: the mean of its taps. */
export function averagePoolByTaps({ inputs: [x], attrs }: Node<'AveragePool'>): Value {
  const taps = tapsOf(x, attrs.kernel_shape as Kernel);
  return mul(
    taps.reduce((y, tap) => add(y, tap)),
    1 / taps.length,
  );
}

type Kernel = readonly [height: number, width: number];

/** Each window's first element, each window's second, and so on: kh*kw values [N,C,H/kh,W/kw]. */
function tapsOf(x: Value, [kh, kw]: Kernel): readonly Value[] {
  const size = spatial('MaxPool', x);
  return Array.from({ length: kh * kw }, (_, tap) =>
    slice(x, [Math.floor(tap / kw), tap % kw], size, [2, 3], [kh, kw]),
  );
}

/**
 * MaxPoolGrad of two-dimensional tiling windows with operators that every execution provider has: each tap of a window
 * takes the cotangent if it equals the maximum and no tap before it did.
 */
export function maxPoolGradByMasks({ inputs: [x, dy], attrs }: Node<'MaxPoolGrad'>): Value {
  const [kh, kw] = attrs.kernel_shape as Kernel;
  const [h, w] = spatial('MaxPoolGrad', x) as readonly [number, number];
  const { y } = maxPool(x, attrs);
  let free: Value | null = null;
  const parts: Value[] = [];
  for (const tap of tapsOf(x, [kh, kw])) {
    const hit = cast(equal(tap, y), x.dtype);
    const takes: Value = free ? mul(hit, free) : hit;
    free = free ? sub(free, takes) : sub(1, takes);
    parts.push(unsqueeze(mul(dy, takes), [4]));
  }
  // [N,C,OH,OW,kh*kw] -> [N,C,OH,kh,OW,kw] -> [N,C,H,W]
  const channels = x.shape[1] as number;
  const stacked = reshape(concat(parts, 4), [-1, channels, h / kh, w / kw, kh, kw]);
  return reshape(transpose(stacked, [0, 1, 2, 4, 3, 5]), [-1, channels, h, w]);
}

/** MaxPool of two-dimensional tiling windows over an image that stands with its channels last: the largest of its taps. */
export function maxPoolByRows({ inputs: [x], attrs }: Node<'MaxPool'>): Value {
  const [oh, ow] = poolSpatial('MaxPool', x, attrs) as Kernel;
  const y = tapsOfRows(x, attrs.kernel_shape as Kernel).reduce((a, b) => max(a, b));
  return image(y, oh, ow, channels(x));
}

/** MaxPoolGrad over such an image. */
export function maxPoolGradByRows({ inputs: [x, dy], attrs }: Node<'MaxPoolGrad'>): Value {
  const [kh, kw] = attrs.kernel_shape as Kernel;
  const [h, w] = spatial('MaxPoolGrad', x) as Kernel;
  const c = channels(x);
  const taps = tapsOfRows(x, attrs.kernel_shape as Kernel);
  const y = taps.reduce((a, b) => max(a, b));
  const parts = toFirstMaximum(taps, y, reshape(rows(dy), [-1, 1, c]));
  const lines = Array.from({ length: kh }, (_, i) =>
    reshape(concat(parts.slice(i * kw, (i + 1) * kw), 1), [-1, 1, w * c]),
  );
  return image(concat(lines, 1), h, w, c);
}

/** {@link tapsOf} with the channels last: kh*kw values [N*H/kh*W/kw,1,C], cut from rows that lie in one piece. */
function tapsOfRows(x: Value, [kh, kw]: Kernel): readonly Value[] {
  const [, w] = spatial('MaxPool', x) as Kernel;
  const parts = (value: Value, count: number): readonly Value[] =>
    Array.from({ length: count }, (_, i) => slice(value, [i], [i + 1], [1]));
  const lines = parts(reshape(rows(x), [-1, kh, w * channels(x)]), kh);
  return lines.flatMap((line) => parts(reshape(line, [-1, kw, channels(x)]), kw));
}

/** The cotangent of each tap: all of `dy` to the first that equals the maximum `y`, element by element. */
export function toFirstMaximum(taps: readonly Value[], y: Value, dy: Value): readonly Value[] {
  let left = dy;
  return taps.map((tap, i) => {
    if (i === taps.length - 1) return left;
    const taken = mul(left, cast(equal(tap, y), y.dtype));
    left = sub(left, taken);
    return taken;
  });
}
