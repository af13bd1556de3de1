import { describe, expect, it } from 'vitest';
import { attackerInfer } from '../../../src/models/programs.ts';

const threat = { eps: 0.1, bound: 'tanh', clip: true } as const;
const sizesOf = (channels: number, height: number, width: number) => ({
  image: { channels, height, width },
  classes: 5,
});

describe('the attacker', () => {
  it.each([
    [3, 32, 32],
    [1, 27, 27],
    [3, 48, 64],
    [3, 30, 30],
    [1, 33, 17],
    [3, 32, 30],
    [1, 1, 1],
  ])('gives a perturbation of the size of its images: %dx%dx%d', (...size) => {
    const { outputs } = attackerInfer(threat, sizesOf(...size)).graph;
    expect(outputs['perturbation']!.shape).toEqual(['batch', ...size]);
    expect(outputs['attacked']!.shape).toEqual(['batch', ...size]);
  });
});
