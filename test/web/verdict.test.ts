import { expect, it } from 'vitest';
import { verdict } from '../../src/web/verdict.ts';

const says = (digit: number): Float32Array => new Float32Array(10).fill(0.05).fill(0.55, digit, digit + 1);

it.each([
  [7, 7, 3, 3, 'fooled'],
  [7, 7, 4, 3, 'missed'],
  [7, 7, 7, 3, 'held'],
  [7, 7, 7, 7, 'held'],
  [7, 3, 3, 3, 'wrong already'],
] as const)(
  'label %d, read as %d and then as %d with %d as the aim, is %s',
  (label, before, after, aim, kind) => {
    expect(verdict(says(before), says(after), label, aim)).toEqual({ kind, before, after });
  },
);

it.each([
  [7, 7, 3, 'fooled'],
  [7, 7, 7, 'held'],
  [7, 1, 3, 'wrong already'],
  [7, 1, 7, 'wrong already'],
] as const)('label %d, read as %d and then as %d, is %s', (label, before, after, kind) => {
  expect(verdict(says(before), says(after), label)).toEqual({ kind, before, after });
});
