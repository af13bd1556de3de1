import type { Attack, NoSettings } from './attack.ts';
import { balls } from './ball.ts';
import { imagesLike } from './images.ts';

/**
 * A network that was trained to attack the classifier, the paper's A: one pass gives the perturbation. It is scaled to
 * the threat model's eps when it was trained for another.
 */
export const generator: Attack<NoSettings> = {
  access: 'model',
  norms: ['linf'],
  goals: ['untargeted'],
  defaults: {},
  title: () => 'attacker',
  async *run(oracle, { images }, { norm, eps, range }) {
    const trained = oracle.generator!;
    const scale = eps / trained.eps;
    const { data: perturbation } = await trained.perturbation(images);
    yield 1;
    const moved = imagesLike(images, (at) => images.data[at]! + Math.fround(scale * perturbation[at]!));
    return balls[norm].project(moved, images, eps, range);
  },
};
