import type { Node, Value } from '../ir.ts';
import { cast, concat, equal, maxPool, mul, reshape, slice, sub, transpose, unsqueeze } from '../ops.ts';
import { geometry, poolSpatial, spatial } from '../window.ts';

/** Whether a pool's windows tile a two-dimensional image: stride equal to kernel, no padding, nothing left over. */
export function tiles(node: Node<'MaxPoolGrad'>): boolean {
  const { inputs, attrs } = node;
  const [x] = inputs;
  const g = geometry('MaxPoolGrad', attrs.kernel_shape ?? [], attrs);
  const pooled = poolSpatial('MaxPoolGrad', x, attrs);
  return (
    g.kernel.length === 2 &&
    spatial('MaxPoolGrad', x).every(
      (size, i) =>
        g.kernel[i] === g.strides[i] &&
        g.dilations[i] === 1 &&
        g.begins[i] === 0 &&
        pooled[i]! * g.kernel[i]! === size,
    )
  );
}

/**
 * MaxPoolGrad of two-dimensional tiling windows with operators that every execution provider has: each tap of a window
 * takes the cotangent if it equals the maximum and no tap before it did.
 */
export function maxPoolGradByMasks({ inputs: [x, dy], attrs }: Node<'MaxPoolGrad'>): Value {
  const [kh, kw] = attrs.kernel_shape as readonly [number, number];
  const [h, w] = spatial('MaxPoolGrad', x) as readonly [number, number];
  const { y } = maxPool(x, attrs);
  let free: Value | null = null;
  const parts: Value[] = [];
  for (let i = 0; i < kh; i++) {
    for (let j = 0; j < kw; j++) {
      const tap = slice(x, [i, j], [h, w], [2, 3], [kh, kw]);
      const hit = cast(equal(tap, y), x.dtype);
      const takes: Value = free ? mul(hit, free) : hit;
      free = free ? sub(free, takes) : sub(1, takes);
      parts.push(unsqueeze(mul(dy, takes), [4]));
    }
  }
  // [N,C,OH,OW,kh*kw] -> [N,C,OH,kh,OW,kw] -> [N,C,H,W]
  const channels = x.shape[1] as number;
  const stacked = reshape(concat(parts, 4), [-1, channels, h / kh, w / kw, kh, kw]);
  return reshape(transpose(stacked, [0, 1, 2, 4, 3, 5]), [-1, channels, h, w]);
}
