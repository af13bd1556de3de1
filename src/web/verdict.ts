/** How an attack on one image ended for one classifier. */
export interface Verdict {
  /**
   * `wrong already`: the clean image was misread, so there was nothing to win. `missed`: it is misread now, but not as the
   * class that was aimed at.
   */
  readonly kind: 'fooled' | 'missed' | 'held' | 'wrong already';
  /** The most probable class of the clean and of the attacked image. */
  readonly before: number;
  readonly after: number;
}

/**
 * Fooled means: right on the clean image and wrong on the attacked one.
 *
 * @param aim the class that the image was to be taken for; null for any wrong one.
 */
export function verdict(
  clean: Float32Array,
  attacked: Float32Array,
  label: number,
  aim: number | null = null,
): Verdict {
  const [before, after] = [highest(clean), highest(attacked)];
  return { kind: kindOf(before, after, label, aim), before, after };
}

function kindOf(before: number, after: number, label: number, aim: number | null): Verdict['kind'] {
  if (before !== label) return 'wrong already';
  if (after === label) return 'held';
  return aim === null || after === aim ? 'fooled' : 'missed';
}

/** What a verdict is called. */
export const badges: Readonly<Record<Verdict['kind'], string>> = {
  fooled: 'Fooled',
  missed: 'Missed its aim',
  held: 'Not fooled',
  'wrong already': 'Wrong already',
};

/** The class of a verdict in style sheets. */
export const styleOf = (kind: Verdict['kind']): string => kind.replace(' ', '-');

/** The most probable class. */
export const highest = (probabilities: Float32Array): number =>
  probabilities.indexOf(Math.max(...probabilities));
