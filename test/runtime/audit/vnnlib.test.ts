import { describe, expect, it } from 'vitest';
import { counterexample, parseVnnlib, satisfaction } from '../../../src/runtime/audit/vnnlib.ts';

const declared = `
; two inputs, three outputs
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(declare-const Y_2 Real)
`;
const boxed = `${declared}
(assert (<= X_0 0.5)) (assert (>= X_0 -0.25)) ; a comment (assert (<= X_0 0))
(assert (and (<= X_1 1e-1) (<= 0 X_1)))
`;
const parsed = (text: string) => parseVnnlib(text, 'p.vnnlib');

describe('a property', () => {
  it('is a box of inputs and conjunctions of conditions on outputs', () => {
    const { inputs, outputs, regions } = parsed(`${boxed}
      (assert (or (and (>= Y_1 Y_0)) (and (<= Y_0 2.5) (>= Y_2 Y_1))))`);
    expect([inputs, outputs]).toEqual([2, 3]);
    expect(regions).toHaveLength(1);
    const [{ low, high, anyOf }] = regions as [(typeof regions)[0]];
    expect([[...low], [...high]]).toEqual([
      [-0.25, 0],
      [0.5, 0.1],
    ]);
    expect(anyOf.map((all) => all.length)).toEqual([1, 2]);
    // Y_1 >= Y_0 alone; then the lesser of 2.5 - Y_0 and Y_2 - Y_1
    expect(satisfaction(anyOf, [1, 3, 0])).toBe(2);
    expect(satisfaction(anyOf, [3, 1, 0])).toBe(-1);
    expect(satisfaction(anyOf, [2, 1, 2])).toBe(0.5);
  });

  it('joins assertions: all of them must hold', () => {
    const [region] = parsed(`${boxed} (assert (>= Y_2 Y_0)) (assert (>= Y_2 Y_1))`).regions;
    expect(region!.anyOf.map((all) => all.length)).toEqual([2]);
    expect(satisfaction(region!.anyOf, [1, 2, 1.5])).toBe(-0.5);
  });

  it('may be of several boxes, of which an empty one is none', () => {
    const { regions } = parsed(`${declared} (assert (<= X_1 1)) (assert (>= X_1 0))
      (assert (or (and (<= X_0 1) (>= X_0 0) (<= Y_0 0)) (and (<= X_0 3) (>= X_0 2) (<= Y_1 0)) (and (<= X_0 5) (>= X_0 6))))`);
    expect(regions.map(({ low, high }) => [low[0], high[0]])).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('may have linear terms', () => {
    const [region] = parsed(`${boxed} (assert (<= (+ (* 2 Y_0) (- Y_1) 1) (- (* Y_2 0.5) 3)))`).regions;
    // 2 y0 - y1 + 1 <= y2 / 2 - 3
    expect(satisfaction(region!.anyOf, [1, 2, 4])).toBe(4 / 2 - 3 - (2 - 2 + 1));
  });

  it.each([
    ['(assert (<= X_0 1)', 'ends within brackets; it is not whole'],
    [`${declared} (assert (<= X_0 1)))`, 'has a ) too many'],
    [`${boxed} (assert (= Y_0 1))`, 'knows and, or, <= and >=, got (= Y_0 1)'],
    [`${boxed} (assert (<= Z_0 1))`, 'expects X_i or Y_j, got Z_0'],
    [`${boxed} (assert (<= Y_3 1))`, 'uses Y_3 without declaring it'],
    [`${boxed} (assert (<= (* Y_0 Y_1) 1))`, 'knows linear terms only, got (* Y_0 Y_1)'],
    [
      `${boxed} (assert (<= X_0 Y_0))`,
      'has a condition over several inputs, or inputs and outputs: X_0, Y_0',
    ],
    [`${declared} (assert (<= X_0 1)) (assert (<= Y_0 1))`, 'does not bound X_0 from below and above'],
    [`${boxed} (check-sat)`, 'knows declare-const and assert, got (check-sat)'],
    ['', 'declares no inputs X_i or no outputs Y_j'],
    [
      `${boxed} ${'(assert (or (<= Y_0 1) (<= Y_1 1) (<= Y_2 1)))'.repeat(9)}`,
      'comes to more than 10000 cases',
    ],
  ])('is refused in one line: %#', (text, message) => {
    expect(() => parsed(text)).toThrow(`p.vnnlib: ${message}`);
  });
});

it('a counterexample is written as the competition reads it', () => {
  expect(counterexample([0.1, -2], [1e-7])).toBe('((X_0 0.1)\n(X_1 -2)\n(Y_0 1e-7))');
});
