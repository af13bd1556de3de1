import { expect, it } from 'vitest';
import { nextFloat32 } from '../../src/runtime/float32.ts';

const smallest = 2 ** -149;

it.each([
  [1, 1, 1 + 2 ** -23],
  [1, -1, 1 - 2 ** -24],
  [-1, 1, -1 + 2 ** -24],
  [-1, -1, -1 - 2 ** -23],
  [0, 1, smallest],
  [0, -1, -smallest],
  [-0, 1, smallest],
  [smallest, -1, 0],
  [-smallest, 1, -0],
] as const)('the float32 beside %d, way %d, is %d', (x, way, beside) => {
  expect(nextFloat32(x, way)).toBe(beside);
});
