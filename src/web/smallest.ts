/** One eps that was tried, and whether an attack of that size fooled the classifier. */
export interface Tried {
  readonly eps: number;
  readonly fooled: boolean;
}

/**
 * The smallest eps at which an attack is found to fool, by halving: within `most` / 2^`halvings` of an eps at which it did
 * not. Yields each that was tried. An attack that fails at an eps proves nothing, so this is an upper bound.
 *
 * @param fools whether an attack of this size fooled.
 * @param most the largest eps, tried first.
 * @returns null where the largest does not fool.
 */
export async function* smallestEps(
  fools: (eps: number) => Promise<boolean>,
  most: number,
  halvings = 7,
): AsyncGenerator<Tried, number | null> {
  const first = await fools(most);
  yield { eps: most, fooled: first };
  if (!first) return null;
  let [low, high] = [0, most];
  for (let i = 0; i < halvings; i++) {
    const eps = (low + high) / 2;
    const fooled = await fools(eps);
    yield { eps, fooled };
    if (fooled) high = eps;
    else low = eps;
  }
  return high;
}
