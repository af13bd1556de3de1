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

it('every float16 that is a number comes back as it was', () => {
  const all = Array.from({ length: 0x10000 }, (_, bits) => bits);
  const numbers = all.filter((bits) => !Number.isNaN(fromHalf(bits)));
  expect(numbers).toHaveLength(0x10000 - 2 * 1023);
  expect(numbers.filter((bits) => toHalf(fromHalf(bits)) !== bits)).toEqual([]);
  expect(toHalf(NaN) & 0x7c00).toBe(0x7c00);
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
