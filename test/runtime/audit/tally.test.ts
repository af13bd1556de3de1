import { describe, expect, it } from 'vitest';
import { StoredTally, Tally } from '../../../src/runtime/audit/tally.ts';

/** Three images of two classes: right, wrong, and no answer. */
function tallyOf(): Tally {
  const tally = new Tally(3);
  tally.set(0, Float32Array.of(2, 0, 2, 0, NaN, 0), [0, 1, 0]);
  return tally;
}

describe('a tally with an answer that is no number', () => {
  it('counts it as wrong, and takes the loss of the others', () => {
    const { accuracy, loss, notNumbers } = tallyOf().measure();
    expect({ accuracy, notNumbers }).toEqual({ accuracy: 1 / 3, notNumbers: 1 });
    expect(loss).toBeCloseTo((Math.log1p(Math.exp(-2)) + Math.log1p(Math.exp(2))) / 2, 12);
  });

  it('has no loss where no answer is a number, and is JSON without null', () => {
    const tally = new Tally(1);
    tally.set(0, Float32Array.of(NaN, Infinity), [0]);
    const measure = tally.measure();
    expect(measure).not.toHaveProperty('loss');
    expect(measure).toMatchObject({ accuracy: 0, notNumbers: 1 });
    expect(JSON.stringify(measure)).not.toContain('null');
  });

  it('is the worst of the tallies for that image', () => {
    const sound = new Tally(3);
    sound.set(0, Float32Array.of(2, 0, 0, 2, 2, 0), [0, 1, 0]);
    expect(Tally.worst([sound, tallyOf()]).measure()).toEqual(tallyOf().measure());
  });
});

describe('a tally in a journal', () => {
  it('is read back to the bit, NaN included', () => {
    const json = JSON.parse(JSON.stringify(tallyOf())) as unknown;
    const again = StoredTally.parse(json);
    expect(again.right).toEqual(tallyOf().right);
    expect(again.measure()).toEqual(tallyOf().measure());
  });

  it('is not read when its parts do not fit', () => {
    const { right } = tallyOf().toJSON();
    expect(StoredTally.safeParse({ right, loss: '' }).success).toBe(false);
  });
});
