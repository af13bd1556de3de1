import type { Logits } from './images.ts';

/** An answer, whether it is right, and its cross-entropy in nats, in double precision. */
export interface Score {
  /** The class of the largest logit; -1 for a row with NaN or an infinite logit. */
  readonly answer: number;
  readonly right: boolean;
  readonly loss: number;
}

/**
 * Scores each row of logits against its label: right when the label's logit is the first of the largest. A row with
 * NaN or an infinite logit is wrong, with a loss of NaN.
 */
export function* scoresOf({ data, shape: [, classes] }: Logits, labels: ArrayLike<number>): Generator<Score> {
  for (let i = 0; i < labels.length; i++) {
    const row = data.subarray(i * classes, (i + 1) * classes);
    if (!row.every(Number.isFinite)) {
      yield { answer: -1, right: false, loss: NaN };
      continue;
    }
    const top = Math.max(...row);
    const logSumExp = top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0));
    const answer = row.indexOf(top);
    yield { answer, right: answer === labels[i], loss: logSumExp - row[labels[i]!]! };
  }
}

/** The class of the largest logit of a row, the first of several; -1 for one with NaN or an infinite logit. */
export function answerOf({ data, shape: [, classes] }: Logits, row: number): number {
  let answer = 0;
  for (let at = 0; at < classes; at++) {
    const z = data[row * classes + at]!;
    if (!Number.isFinite(z)) return -1;
    if (z > data[row * classes + answer]!) answer = at;
  }
  return answer;
}

/** The largest logit of a row among the classes other than `label`, less that of `label`. */
export function marginOf({ data, shape: [, classes] }: Logits, row: number, label: number): number {
  let largest = -Infinity;
  for (let at = 0; at < classes; at++) {
    if (at !== label) largest = Math.max(largest, data[row * classes + at]!);
  }
  return largest - data[row * classes + label]!;
}
