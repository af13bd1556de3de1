import { describe, expect, it } from 'vitest';
import { drawsOf } from '../../../src/runtime/attacks/index.ts';
import { stream } from '../../../src/runtime/random.ts';

const length = 5;
const numbers = (uniform: () => number, n = length): number[] => Array.from({ length: n }, uniform);
const taken = (places: readonly number[], draws = drawsOf(7, 'pgd')): number[][] =>
  places.map((place) => numbers(draws.at([2], place, length)));

describe('the random numbers of an attack', () => {
  it('run through the data set in one stream of its seed, its name and the path', () => {
    expect(taken([0, 1, 2]).flat()).toEqual(numbers(stream(7, 'pgd', 2).uniform, 3 * length));
  });

  it('depend on the place of an image, in whatever order places are asked for', () => {
    const inOrder = taken([0, 1, 2, 3, 4, 5]);
    expect(taken([5, 2, 3, 0])).toEqual([5, 2, 3, 0].map((place) => inOrder[place]));
  });

  it('do not depend on how many an image before took', () => {
    const draws = drawsOf(7, 'pgd');
    numbers(draws.at([2], 0, length), 3);
    expect(taken([1], draws)).toEqual(taken([1]));
  });

  it('are others for another seed, attack or path', () => {
    const firsts = [
      drawsOf(7, 'pgd').at([2], 0, length)(),
      drawsOf(8, 'pgd').at([2], 0, length)(),
      drawsOf(7, 'noise').at([2], 0, length)(),
      drawsOf(7, 'pgd').at([3], 0, length)(),
      drawsOf(7, 'pgd').own([2], 0).uniform(),
      drawsOf(7, 'pgd').own([2], 1).uniform(),
    ];
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it("begin again each time in a stream of an image's own", () => {
    const draws = drawsOf(7, 'square');
    expect(numbers(draws.own([], 3).uniform)).toEqual(numbers(draws.own([], 3).uniform));
  });
});
