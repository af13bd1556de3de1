/** A 95 % confidence interval of a fraction. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Wilson's score interval (Wilson 1927) for `successes` of `trials`, at 95 %: unlike the normal approximation it stays in
 * [0, 1] and says something at 0 and at 1. It covers the choice of test images, not seeds.
 *
 * @param trials 1 or more.
 */
export function wilson(successes: number, trials: number): Interval {
  const z = 1.959963984540054;
  const p = successes / trials;
  const scale = 1 + z ** 2 / trials;
  const middle = (p + z ** 2 / (2 * trials)) / scale;
  const half = (z * Math.sqrt((p * (1 - p)) / trials + z ** 2 / (4 * trials ** 2))) / scale;
  return { low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
