import { describe, expect, it } from 'vitest';
import { reaches, scoresOf, type Batch, type Logits } from '../../../src/runtime/attacks/index.ts';
import { answerOf } from '../../../src/runtime/attacks/score.ts';

const row = (...logits: number[]): Logits => ({
  data: Float32Array.from(logits),
  shape: [1, logits.length],
});
const batch: Batch = {
  images: { data: new Float32Array(1), shape: [1, 1, 1, 1] },
  labels: Int32Array.of(1),
  targets: Int32Array.of(1),
  places: Int32Array.of(0),
};

describe('a row of logits', () => {
  it.each([
    ['+Infinity at the label', row(0, Infinity, 1)],
    ['+Infinity elsewhere', row(0, 5, Infinity)],
    ['-Infinity elsewhere', row(0, 5, -Infinity)],
    ['NaN elsewhere', row(0, 5, NaN)],
  ])('with %s has no answer: it is wrong, and is no target', (_, logits) => {
    expect([...scoresOf(logits, [1])]).toEqual([{ answer: -1, right: false, loss: NaN }]);
    expect(answerOf(logits, 0)).toBe(-1);
    expect(reaches(logits, 0, batch, 0, { goal: 'untargeted' })).toBe(true);
    expect(reaches(logits, 0, batch, 0, { goal: 'targeted' })).toBe(false);
  });

  it('of finite numbers has the first of the largest as its answer', () => {
    const logits = row(0, Math.log(3), Math.log(3));
    const [score] = scoresOf(logits, [1]);
    expect(score).toMatchObject({ answer: 1, right: true });
    // softmax of (0, ln 3, ln 3) is (1, 3, 3) / 7
    expect(score!.loss).toBeCloseTo(Math.log(7 / 3), 6);
    expect(answerOf(logits, 0)).toBe(1);
  });
});
