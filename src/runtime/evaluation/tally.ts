import { scoresOf } from '../score.ts';
import type { Measure } from './schema.ts';
import { wilson } from './wilson.ts';

/** Which examples a classifier has right, and their losses. */
export class Tally {
  /** 1 where the classifier is right. */
  readonly right: Uint8Array;
  readonly #loss: Float64Array;

  constructor(count: number) {
    this.right = new Uint8Array(count);
    this.#loss = new Float64Array(count);
  }

  /** The examples from `start` on. */
  set(start: number, logits: Float32Array, labels: ArrayLike<number>): void {
    let at = start;
    for (const { right, loss } of scoresOf(logits, labels)) {
      this.right[at] = right ? 1 : 0;
      this.#loss[at] = loss;
      at++;
    }
  }

  measure(): Measure {
    const count = this.right.length;
    const right = this.right.reduce((sum, one) => sum + one, 0);
    const loss = this.#loss.reduce((sum, one) => sum + one, 0) / count;
    return { accuracy: right / count, interval: wilson(right, count), loss };
  }

  /** Each example at its worst under any of the tallies, of which there is one or more. */
  static worst(tallies: readonly Tally[]): Tally {
    const worst = new Tally(tallies[0]!.right.length);
    for (let i = 0; i < worst.right.length; i++) {
      worst.right[i] = Math.min(...tallies.map(({ right }) => right[i]!));
      worst.#loss[i] = Math.max(...tallies.map((tally) => tally.#loss[i]!));
    }
    return worst;
  }
}
