import type { Attack, NoSettings } from './attack.ts';
import { balls } from './ball.ts';
import { imagesLike, sizeOf, type Images } from './images.ts';

/**
 * Noise drawn from the whole ball: what a change of this size does to a classifier when nobody aims it. Every attack is
 * to be measured against it.
 */
export const noise: Attack<NoSettings> = {
  access: 'none',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: {},
  title: () => 'noise',
  // oxlint-disable-next-line require-yield -- it has no steps
  async *run(_, { images, places }, { norm, eps, range }, __, random) {
    const ball = balls[norm];
    const size = sizeOf(images);
    const uniformOf = (i: number) => random.at([], places[i]!, ball.startLength(size));
    const noisy = norm === 'linf' ? uniform(images, eps, uniformOf) : ball.start(images, eps, uniformOf);
    return ball.project(noisy, images, eps, range);
  },
};

/** The image plus a change in [-eps, eps] that is a float32 itself. */
function uniform(images: Images, eps: number, uniformOf: (image: number) => () => number): Images {
  const size = sizeOf(images);
  let next = uniformOf(0);
  return imagesLike(images, (at) => {
    if (at % size === 0) next = uniformOf(at / size);
    return images.data[at]! + Math.fround(-eps + 2 * eps * next());
  });
}
