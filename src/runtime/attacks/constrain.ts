/** What an attacked image must satisfy: the threat model, and what its file format can hold. */
export interface Constraint {
  /** Largest change of a pixel, in the image's unit (0..1). */
  readonly eps: number;
  /** Attacked pixels stay in [0, 1]. */
  readonly clip: boolean;
  /** 8: attacked pixels are multiples of 1/255 in [0, 1], as in a PNG; null: any float32. */
  readonly bits: 8 | null;
}

const levels = 255;
/** Float32 holds k/255 to 3e-8, so 255 times it misses k by less than this. */
const slack = 1e-4;

/**
 * The image plus its perturbation, held within `eps`, then clipped and rounded as the constraint says. Rounding never
 * leaves the ball: a pixel takes the nearest of the levels that lie within `eps` of the original. An original that is
 * not on a level itself, with no level within `eps`, takes the level nearest to it.
 *
 * @param image pixels in 0..1.
 * @param perturbation signed, as many.
 */
export function constrain(
  image: Float32Array,
  perturbation: Float32Array,
  { eps, clip, bits }: Constraint,
): Float32Array {
  const within = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);
  return image.map((x, i) => {
    const sum = x + within(perturbation[i]!, -eps, eps);
    if (bits === null) return clip ? within(sum, 0, 1) : sum;
    const low = Math.max(0, Math.ceil(levels * (x - eps) - slack));
    const high = Math.min(levels, Math.floor(levels * (x + eps) + slack));
    const level = low <= high ? within(Math.round(levels * sum), low, high) : Math.round(levels * x);
    return level / levels;
  });
}

/** How far apart two images are: the largest change of a pixel, and the Euclidean distance over all pixels. */
export function distances(
  image: Float32Array,
  attacked: Float32Array,
): { readonly linf: number; readonly l2: number } {
  let linf = 0;
  let squares = 0;
  for (let i = 0; i < image.length; i++) {
    const change = attacked[i]! - image[i]!;
    linf = Math.max(linf, Math.abs(change));
    squares += change * change;
  }
  return { linf, l2: Math.sqrt(squares) };
}
