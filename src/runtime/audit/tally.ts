import { z } from 'zod';
import { scoresOf } from '../attacks/score.ts';
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
    for (const { right, loss } of scoresOf(
      { data: logits, shape: [labels.length, logits.length / labels.length] },
      labels,
    )) {
      this.right[at] = right ? 1 : 0;
      this.#loss[at] = loss;
      at++;
    }
  }

  measure(): Measure {
    const count = this.right.length;
    const right = this.right.reduce((sum, one) => sum + one, 0);
    const losses = this.#loss.filter(Number.isFinite);
    const notNumbers = count - losses.length;
    return {
      accuracy: right / count,
      interval: wilson(right, count),
      ...(losses.length > 0 && { loss: losses.reduce((sum, one) => sum + one, 0) / losses.length }),
      ...(notNumbers > 0 && { notNumbers }),
    };
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

  /** For a journal: the bytes of both arrays, so that a tally is read back to the bit, NaN included. */
  toJSON(): z.input<typeof StoredTally> {
    const bytes = ({ buffer, byteOffset, byteLength }: Uint8Array | Float64Array): string =>
      Buffer.from(buffer, byteOffset, byteLength).toString('base64');
    return { right: bytes(this.right), loss: bytes(this.#loss) };
  }

  /** The opposite of {@link Tally.toJSON}; null when the two arrays do not fit each other. */
  static from({ right, loss }: z.input<typeof StoredTally>): Tally | null {
    const [flags, losses] = [Buffer.from(right, 'base64'), Buffer.from(loss, 'base64')];
    if (losses.length !== 8 * flags.length) return null;
    const tally = new Tally(flags.length);
    tally.right.set(flags);
    tally.#loss.set(new Float64Array(Uint8Array.from(losses).buffer));
    return tally;
  }
}

/** A tally as a journal has it, which is read back as one. */
export const StoredTally = z
  .strictObject({ right: z.base64(), loss: z.base64() })
  .transform((stored, context): Tally => {
    const tally = Tally.from(stored);
    if (tally) return tally;
    context.addIssue('right and loss are of different lengths');
    return z.NEVER;
  });
