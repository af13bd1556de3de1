import type { Attack, NoSettings } from './attack.ts';
import { balls } from './ball.ts';
import { imagesAt, imagesLike, sizeOf, type Batch, type Images } from './images.ts';
import type { Generator, Oracle } from './oracle.ts';
import { offer, reaches, searchOf, stillOpen } from './search.ts';
import { likeliestOthers, mostTargets } from './targets.ts';
import type { ThreatModel } from './threat.ts';

/** What was trained to attack a classifier, by the name of its attack. */
export type Trained = 'generator' | 'universal';

/**
 * An attack that was trained before: one pass gives the perturbation. It is scaled where it was trained for no such eps.
 *
 * One that is told a class to aim at has as many goals: where any wrong class will do, it tries the likeliest ones until
 * one is reached, which asks for the classifier's answers.
 */
const trained = (name: Trained, title: string): Attack<NoSettings> => ({
  access: 'model',
  norms: ['linf'],
  goals: ['untargeted', 'targeted'],
  defaults: {},
  title: () => title,
  async *run(oracle, batch, threat) {
    const own = oracle[name]!;
    if (threat.goal === 'untargeted' && own.targeted) return yield* anyOther(oracle, own, batch, threat);
    if (threat.goal === 'targeted' && !own.targeted) throw new Error(`this ${title} aims at no class`);
    const targets = threat.goal === 'targeted' ? batch.targets! : null;
    const attacked = await moved(own, batch.images, targets, threat);
    yield 1;
    return attacked;
  },
});

/** A network that was trained to attack the classifier, the paper's A. */
export const generator: Attack<NoSettings> = trained('generator', 'attacker');

/** One perturbation for all images (Moosavi-Dezfooli et al. 2017), or one for each target. */
export const universal: Attack<NoSettings> = trained('universal', 'universal perturbation');

async function moved(
  own: Generator,
  images: Images,
  targets: Int32Array | null,
  { norm, eps, range }: ThreatModel,
): Promise<Images> {
  const [low, high] = typeof own.eps === 'number' ? [own.eps, own.eps] : own.eps;
  const known = Math.min(Math.max(eps, low), high);
  const { data: perturbation } = await own.perturbation(images, known, targets);
  const scale = known > 0 ? eps / known : 0;
  const sum = imagesLike(images, (at) => images.data[at]! + Math.fround(scale * perturbation[at]!));
  return balls[norm].project(sum, images, eps, range);
}

/** Towards one of the other classes after another, each image until the classifier is wrong about it. */
async function* anyOther(
  oracle: Oracle,
  own: Generator,
  batch: Batch,
  threat: ThreatModel,
): AsyncGenerator<number, Images> {
  const search = searchOf(batch);
  const { labels, images } = batch;
  let done = 0;
  for (const targets of likeliestOthers(await oracle.logits(images), labels, mostTargets)) {
    const open = stillOpen(search);
    if (open.length === 0) break;
    const aims = Int32Array.from(open, (image) => targets[image]!);
    const attacked = await moved(own, imagesAt(images, open), aims, threat);
    const logits = await oracle.logits(attacked);
    const size = sizeOf(images);
    open.forEach((image, row) => {
      const reached = reaches(logits, row, batch, image, threat);
      // the first that was tried stays where none is reached
      offer(search, image, attacked.data.subarray(row * size, (row + 1) * size), -done, reached);
    });
    yield ++done;
  }
  return search.images;
}
