// made once: a new one for each pixel would take most of the time of a step
const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/**
 * The float32 beside `x`, upwards or downwards.
 *
 * @param x a finite float32.
 */
export function nextFloat32(x: number, way: 1 | -1): number {
  if (x === 0) return way * 2 ** -149;
  float[0] = x;
  // away from zero the bits of a float32 rise by 1 a step, whatever its sign
  bits[0]! += x > 0 === way > 0 ? 1 : -1;
  return float[0];
}
