import type { Method } from './attacks.ts';
import type { Backend } from './engine/protocol.ts';

/** Where an image comes from. */
export type Source =
  { readonly kind: 'digit'; readonly index: number } | { readonly kind: 'own'; readonly name: string };

/** Everything a person can choose: what a permalink holds. */
export interface Choice {
  readonly source: Source;
  /** Multiples of 1/255 in 0..1, row by row. */
  readonly pixels: Float32Array;
  /** The true class as the person says, or the digit's own; null to take what the attacked classifier sees. */
  readonly label: number | null;
  readonly method: Method;
  /** The class that the image is to be taken for; null for any wrong one. */
  readonly aim: number | null;
  /** Largest change of a pixel, 0..1. */
  readonly eps: number;
  readonly clip: boolean;
  readonly bits: 8 | null;
  /** The attacker's weights: one byte each, or the trained float32. */
  readonly weights: 'compact' | 'full';
  /** Which of the run's attackers: `Series.id`. */
  readonly series: string;
  /** Null to let the page choose. */
  readonly backend: Backend | null;
}
