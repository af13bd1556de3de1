import { describe, expect, it } from 'vitest';
import { fillUniform, permutation, stream, type Random } from '../../src/runtime/random.ts';

function draw(count: number, next: () => number): number[] {
  return Array.from({ length: count }, next);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Pearson's statistic of counts that should be equal; its mean is `counts.length - 1`. */
function chiSquare(counts: readonly number[]): number {
  const expected = mean(counts);
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

function histogram(values: readonly number[], buckets: number): number[] {
  const counts = Array.from({ length: buckets }, () => 0);
  for (const value of values) counts[value]!++;
  return counts;
}

describe('stream', () => {
  it('gives the same numbers on every platform, for ever', () => {
    const random = stream(7, 'init', 'conv1.weight');
    expect(draw(4, random.uniform).map((value) => value * 2 ** 24)).toEqual([
      5278433, 12538832, 10610455, 5740485,
    ]);
    expect(draw(6, () => random.below(1000))).toEqual([443, 854, 873, 736, 534, 227]);
  });

  it('gives the same numbers for the same path', () => {
    expect(draw(20, stream(1, 'a').uniform)).toEqual(draw(20, stream(1, 'a').uniform));
  });

  it.each<[string, Random, Random]>([
    ['seeds', stream(1, 'init'), stream(2, 'init')],
    ['names', stream(1, 'init'), stream(1, 'shuffle')],
    ['lengths', stream(1), stream(1, '')],
    ['splits of the same letters', stream('ab', 'c'), stream('a', 'bc')],
    ['types', stream(1), stream('1')],
  ])('gives unrelated numbers for paths with other %s', (_, one, other) => {
    const ones = draw(1000, one.uniform);
    const others = draw(1000, other.uniform);
    expect(ones.filter((value, index) => value === others[index])).toEqual([]);
    const covariance = mean(ones.map((value, index) => (value - 0.5) * (others[index]! - 0.5)));
    expect(Math.abs(covariance * 12)).toBeLessThan(0.1); // standard deviation 0.032
  });

  it('begins ten thousand neighbouring paths with numbers that are spread evenly', () => {
    const firsts = Array.from({ length: 10_000 }, (_, seed) => Math.floor(stream(seed).uniform() * 100));
    expect(chiSquare(histogram(firsts, 100))).toBeLessThan(150); // 99.9 % of such statistics are below 149
  });
});

describe('uniform', () => {
  it('stays in [0, 1) in steps of 2^-24', () => {
    const values = draw(100_000, stream(1).uniform);
    expect(values.every((value) => value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24))).toBe(true);
  });

  it('is spread evenly, in its upper and in its lower bits', () => {
    const values = draw(200_000, stream(2).uniform).map((value) => value * 2 ** 24);
    const upper = values.map((value) => value >>> 16);
    const lower = values.map((value) => value & 0xff);
    // 99.9 % of such statistics are between 189 and 331.
    for (const bits of [upper, lower]) {
      const statistic = chiSquare(histogram(bits, 256));
      expect(statistic).toBeGreaterThan(189);
      expect(statistic).toBeLessThan(331);
    }
  });
});

describe('normal', () => {
  const values = draw(200_000, stream(3).normal);

  it('has mean 0 and variance 1', () => {
    expect(mean(values)).toBeCloseTo(0, 2);
    expect(mean(values.map((value) => value * value))).toBeCloseTo(1, 2);
  });

  it('has the tails of the normal distribution', () => {
    const beyond = (limit: number): number => mean(values.map((value) => Number(Math.abs(value) > limit)));
    expect(beyond(1)).toBeCloseTo(0.3173, 2);
    expect(beyond(2)).toBeCloseTo(0.0455, 2);
    expect(values.every((value) => Math.abs(value) < 5.78)).toBe(true);
  });
});

describe('below', () => {
  it('gives every integer under n as often', () => {
    const random = stream(4);
    const counts = histogram(
      draw(70_000, () => random.below(7)),
      7,
    );
    expect(chiSquare(counts)).toBeLessThan(22.5); // 99.9 % of such statistics are
  });

  it('gives 0 alone for n = 1', () => {
    const random = stream(4);
    expect(new Set(draw(100, () => random.below(1)))).toEqual(new Set([0]));
  });

  it('has no bias for an n that is a large part of 2^32', () => {
    const random = stream(5);
    const n = 3 * 2 ** 30; // a plain remainder would fall below 2^30 half the time
    const low = mean(draw(30_000, () => Number(random.below(n) < 2 ** 30)));
    expect(low).toBeCloseTo(1 / 3, 2);
  });
});

describe('permutation', () => {
  it('has each index once', () => {
    const order = permutation(60_000, stream(1, 'shuffle'));
    expect(order.toSorted()).toEqual(Uint32Array.from({ length: 60_000 }, (_, index) => index));
  });

  it('gives all orders of three as often', () => {
    const random = stream(6);
    const counts = new Map<string, number>();
    for (let trial = 0; trial < 60_000; trial++) {
      const order = permutation(3, random).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    expect(chiSquare([...counts.values()])).toBeLessThan(20.5); // 99.9 % of such statistics are
  });

  it.each([0, 1])('of %i has nothing to shuffle', (n) => {
    expect(permutation(n, stream(1))).toEqual(new Uint32Array(n));
  });
});

describe('fillUniform', () => {
  it('fills every element with numbers of the stream, stretched to the range', () => {
    const target = new Float32Array(1000);
    fillUniform(target, -3, 5, stream(8));
    const { uniform } = stream(8);
    expect(target).toEqual(Float32Array.from({ length: 1000 }, () => -3 + 8 * uniform()));
  });

  it('reaches both ends of the range', () => {
    const target = new Float32Array(100_000);
    fillUniform(target, -0.25, 0.5, stream(9));
    expect(Math.min(...target)).toBeCloseTo(-0.25, 3);
    expect(Math.max(...target)).toBeCloseTo(0.5, 3);
    expect(target.every((value) => value >= -0.25 && value <= 0.5)).toBe(true);
  });
});
