import type { Draws } from './draws.ts';
import type { Batch, Images } from './images.ts';
import type { Oracle } from './oracle.ts';
import type { Goal, Norm, ThreatModel } from './threat.ts';

/**
 * What an attacker must have: nothing, the classifier's logits, a network that was trained on those, its gradients, or a
 * network that was trained to attack it.
 */
export type Access = 'none' | 'logits' | 'surrogate' | 'gradient' | 'model';

/** An attack on image classifiers. `S` are its settings, plain data. */
export interface Attack<S> {
  readonly access: Access;
  /** The norms that it knows. */
  readonly norms: readonly Norm[];
  readonly goals: readonly Goal[];
  readonly defaults: S;
  /** Its name with what matters of its settings: `PGD, 40 steps`. */
  readonly title: (settings: S) => string;
  /**
   * The attacked images, inside the threat model's ball and range. The same batch, settings and random numbers give the
   * same images. Yields the number of steps done, after each; ends early when its caller calls `return`.
   *
   * @param batch images within the range; with targets where the goal is targeted.
   */
  run(
    oracle: Oracle,
    batch: Batch,
    threat: ThreatModel,
    settings: S,
    random: Draws,
  ): AsyncGenerator<number, Images>;
}

/** For attacks with nothing to set. */
export type NoSettings = Readonly<Record<string, never>>;

/** Runs a generator to its end, for callers to whom its steps do not matter. */
export async function toEnd<T>(work: AsyncGenerator<unknown, T>): Promise<T> {
  for (;;) {
    const next = await work.next();
    if (next.done) return next.value;
  }
}
