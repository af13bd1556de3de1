/** How the size of a change is measured. */
export type Norm = 'linf' | 'l2';

/** Away from the true class, or towards a class that the attacker picks. */
export type Goal = 'untargeted' | 'targeted';

/** What an attacker may do to an image, and to what end. */
export interface ThreatModel {
  /** `linf`: the largest change of a pixel counts; `l2`: the Euclidean length of the change over all pixels. */
  readonly norm: Norm;
  /** Largest size of the change, in the image's unit (0..1); 0 or more. */
  readonly eps: number;
  /** The values that a pixel may have, in the image's unit; null for any (the paper's unclipped images). */
  readonly range: readonly [low: number, high: number] | null;
  readonly goal: Goal;
}
