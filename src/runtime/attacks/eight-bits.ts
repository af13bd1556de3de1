import { balls } from './ball.ts';
import { imagesLike, sizeOf, type Images } from './images.ts';
import type { Norm, ThreatModel } from './threat.ts';

const levels = 255;
/** Float32 holds k/255 to 3e-8, so 255 times it misses k by less than this. */
const slack = 1e-4;

/**
 * Attacked images as an 8-bit file holds them: every pixel a multiple of 1/255 in [0, 1]. Rounding does not lead out of
 * the ball, as long as the originals are such images themselves; a pixel of an original that is not on a level, with no
 * level within reach, takes the level nearest to it.
 *
 * @param origin the images before the attack.
 */
export const to8Bits = (
  attacked: Images,
  origin: Images,
  { norm, eps }: Pick<ThreatModel, 'norm' | 'eps'>,
): Images => rounded[norm](attacked, origin, eps);

type Rounding = (attacked: Images, origin: Images, eps: number) => Images;

const rounded: { readonly [N in Norm]: Rounding } = {
  // each pixel to the nearest of the levels within eps of the original
  linf: (attacked, origin, eps) =>
    imagesLike(attacked, (at) => {
      const x = origin.data[at]!;
      const low = Math.max(0, Math.ceil(levels * (x - eps) - slack));
      const high = Math.min(levels, Math.floor(levels * (x + eps) + slack));
      if (low > high) return level(x);
      return Math.min(Math.max(Math.round(levels * attacked.data[at]!), low), high) / levels;
    }),
  // to the nearest level; where that makes the change too long, towards the original, which only shortens it
  l2: (attacked, origin, eps) => {
    const size = sizeOf(attacked);
    const nearest = imagesLike(attacked, (at) => level(attacked.data[at]!));
    const distance = balls.l2.distance(nearest, origin);
    return imagesLike(attacked, (at) => {
      if (distance[Math.floor(at / size)]! <= eps) return nearest.data[at]!;
      const [x, y] = [level(origin.data[at]!) * levels, attacked.data[at]! * levels];
      const towards = y > x ? Math.floor(y + slack) : Math.ceil(y - slack);
      return Math.min(Math.max(towards, 0), levels) / levels;
    });
  },
};

/** The level nearest to a value. */
const level = (x: number): number => Math.min(Math.max(Math.round(levels * x), 0), levels) / levels;
