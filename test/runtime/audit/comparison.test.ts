import { expect, it } from 'vitest';
import type { OutputForm } from '../../../src/models/classifier/plans.ts';
import { apartOf } from '../../../src/runtime/audit/comparison.ts';

const logits = (...rows: readonly (readonly number[])[]) => ({
  data: Float32Array.from(rows.flat()),
  shape: [rows.length, rows[0]!.length] as const,
});

it('logits are apart by their largest difference, in parts of the largest', () => {
  const found = apartOf(logits([1, -4], [2, 0]), logits([1, -4], [2.5, 0]), 'logits');
  expect(found).toEqual({ images: 2, difference: 0.5, largest: 4, relative: 0.125 });
});

it('logarithms of probabilities are compared with logits up to what all classes share', () => {
  const z = [3, 1, -100];
  const sum = Math.log(z.reduce((so, x) => so + Math.exp(x), 0));
  // what float32 rounds to 0 has no logarithm
  const file = logits(z.map((x) => Math.max(-87.3, x - sum)));
  expect(apartOf(file, logits(z.map((x) => x + 7)), 'probabilities').relative).toBeLessThan(1e-6);
  expect(apartOf(file, logits([3, 1.5, -100]), 'probabilities').difference).toBeGreaterThan(0.1);
});

it.each<readonly [form: OutputForm, relative: number]>([
  ['logits', 0.5],
  ['sigmoid', 0],
])('what a sigmoid rounds to 1 is not compared (%s)', (form, relative) => {
  expect(apartOf(logits([20, -1]), logits([30, -1]), form).relative).toBe(relative);
});

it('a number beside none is infinitely far, and an image without numbers is left out', () => {
  expect(apartOf(logits([1, 2]), logits([1, NaN]), 'logits').relative).toBe(Infinity);
  expect(apartOf(logits([1, NaN]), logits([5, 5]), 'logits')).toMatchObject({ images: 0, relative: 0 });
});
