import { expect, it } from 'vitest';
import { fromHalf, toEven, toHalf } from '../../src/runtime/half.ts';

// IEEE 754-2019, binary16
it.each([
  [0, 0x0000],
  [-0, 0x8000],
  [1, 0x3c00],
  [-2, 0xc000],
  [65504, 0x7bff],
  [2 ** -14, 0x0400],
  [2 ** -24, 0x0001],
  [1 / 3, 0x3555],
  [Infinity, 0x7c00],
  [65520, 0x7c00],
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
  [2 - 2 ** -12, 0x4000],
])('%d is the float16 %d', (value, bits) => {
  expect(toHalf(value)).toBe(bits);
});

it('every float16 comes back as it was', () => {
  const all = Array.from({ length: 0x10000 }, (_, bits) => bits);
  const isNaN16 = (bits: number): boolean => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
  const changed = all.filter((bits) => !isNaN16(bits) && toHalf(fromHalf(bits)) !== bits);
  expect(changed).toEqual([]);
  expect(all.filter((bits) => isNaN16(bits) !== Number.isNaN(fromHalf(bits)))).toEqual([]);
  expect(all.filter((bits) => isNaN16(bits) && !isNaN16(toHalf(fromHalf(bits))))).toEqual([]);
});

it.each([
  [0.5, 0],
  [1.5, 2],
  [2.4, 2],
  [-0.5, 0],
  [-1.5, -2],
  [254.5, 254],
])('%d is rounded to %d', (value, whole) => {
  expect(toEven(value)).toBeCloseTo(whole, 10);
});
