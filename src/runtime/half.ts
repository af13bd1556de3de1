const scratch = new DataView(new ArrayBuffer(4));

/** The bits of the nearest float16: sign, five bits of exponent, ten of fraction; the even one of two. */
export function toHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return sign | 0x7e00;
  // 65520 is half way between the largest float16 and what would be next
  if (size >= 65520) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | toEven(size * 2 ** 24);
  const exponent = ((bits >>> 23) & 255) - 112;
  // a fraction that rounds up to 1024 carries into the exponent, as it should
  return sign + (exponent << 10) + toEven((bits & 0x7fffff) / 2 ** 13);
}

/** The nearest whole number, the even one of two, as ONNX rounds. */
export function toEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/** The number that a float16 is. */
export function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
