import { describe, expect, it } from 'vitest';
import { stream } from '../../../src/runtime/index.ts';
import { wilson } from '../../../src/runtime/audit/wilson.ts';

describe("Wilson's interval", () => {
  it.each([
    // computed in Python
    [0, 10, 0, 0.277533],
    [10, 10, 0.722467, 1],
    [5, 10, 0.236593, 0.763407],
    [9870, 10_000, 0.984585, 0.989041],
  ])('of %i in %i', (successes, trials, low, high) => {
    const interval = wilson(successes, trials);
    expect(interval.low).toBeCloseTo(low, 5);
    expect(interval.high).toBeCloseTo(high, 5);
  });

  it('holds the true fraction in 19 of 20 samples', () => {
    const random = stream(5, 'wilson');
    let held = 0;
    for (let sample = 0; sample < 2000; sample++) {
      let right = 0;
      for (let i = 0; i < 100; i++) if (random.uniform() < 0.9) right++;
      const { low, high } = wilson(right, 100);
      if (low <= 0.9 && 0.9 <= high) held++;
    }
    expect(held / 2000).toBeGreaterThan(0.93);
    expect(held / 2000).toBeLessThan(0.97);
  });
});
