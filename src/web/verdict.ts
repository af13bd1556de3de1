/** How an attack on one image ended for one classifier. */
export interface Verdict {
  /** `wrong already`: the clean image was misread, so there was nothing to win. */
  readonly kind: 'fooled' | 'held' | 'wrong already';
  /** The most probable class of the clean and of the attacked image. */
  readonly before: number;
  readonly after: number;
}

/** Fooled means: right on the clean image and wrong on the attacked one. */
export function verdict(clean: Float32Array, attacked: Float32Array, label: number): Verdict {
  const [before, after] = [highest(clean), highest(attacked)];
  const kind = before !== label ? 'wrong already' : after === label ? 'held' : 'fooled';
  return { kind, before, after };
}

/** The most probable class. */
export const highest = (probabilities: Float32Array): number =>
  probabilities.indexOf(Math.max(...probabilities));
