import { expect, test } from 'vitest';
import { softmax } from '../../src/web/softmax.ts';

test('probabilities sum to one, however large the logits', () => {
  const [a, b, c] = softmax(Float32Array.of(1000, 1000 + Math.log(3), -1000));
  expect([a, b, c]).toEqual([expect.closeTo(0.25, 4), expect.closeTo(0.75, 4), 0]);
});

test('logits that are no numbers have no probabilities', () => {
  expect(softmax(Float32Array.of(1, NaN))).toEqual(Float32Array.of(0, 0));
});
