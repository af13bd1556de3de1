import { balls, type Glide } from './ball.ts';
import { rowOf, stacked, type Batch, type Images } from './images.ts';
import type { LossName, Oracle } from './oracle.ts';
import { offer, reachedRows, stillOpen, type Search } from './search.ts';
import type { ThreatModel } from './threat.ts';

/** What is climbed: a loss of the images, for these classes. */
export interface Objective {
  readonly loss: LossName;
  /** 1 to raise the loss, -1 to lower it. */
  readonly way: 1 | -1;
  readonly labels: Int32Array;
  readonly targets?: Int32Array;
}

/** An image on its way up. */
interface Climber {
  /** Its place in the batch. */
  readonly image: number;
  readonly glide: Glide;
  x: Images;
  previous: Images;
  /** Where the next image is written. */
  spare: Images;
  gradient: Images;
  loss: number;
  readonly best: Images;
  readonly bestGradient: Images;
  bestLoss: number;
  step: number;
  /** Since the last checkpoint: how often the loss rose, the best loss then, and whether the step was halved there. */
  rises: number;
  bestBefore: number;
  halved: boolean;
}

/** How much of a step is its own, the rest is that of the step before. */
const own = 0.75;
/** A step is halved when the loss rose in no more than this part of the steps since the last checkpoint. */
const enoughRises = 0.75;

/**
 * One start of Auto-PGD (Croce and Hein 2020, algorithm 1) on every image that does not reach the goal yet: steps with
 * momentum, first of 2 eps. At checkpoints, which come closer and closer, an image's step is halved and it goes back to
 * its best point, when its loss rose in too few steps, or its best loss and its step are those of the checkpoint before.
 * An image that reaches the goal is asked about no more.
 *
 * All decisions compare losses of one image, so a loss and any rising function of it take the same path.
 *
 * @param start the image to start from, in the ball and the range.
 */
export async function* autoPgd(
  oracle: Oracle,
  batch: Batch,
  threat: ThreatModel,
  search: Search,
  { loss, way, labels, targets }: Objective,
  steps: number,
  start: (image: number) => Images,
): AsyncGenerator<void, void> {
  const { eps, range, norm } = threat;
  const ball = balls[norm];
  let climbers: Climber[] = stillOpen(search).map((image) => {
    const x = start(image);
    const copy = (): Images => ({ data: x.data.slice(), shape: x.shape });
    return {
      image,
      glide: ball.glideIn(rowOf(batch.images, image), eps, range),
      x,
      previous: copy(),
      spare: copy(),
      gradient: x,
      loss: -Infinity,
      best: copy(),
      bestGradient: copy(),
      bestLoss: -Infinity,
      step: 2 * eps,
      rises: 0,
      bestBefore: -Infinity,
      halved: true,
    };
  });
  const room = new Float32Array(batch.images.data.length);
  const ask = async (): Promise<void> => {
    const images = climbers.map(({ image }) => image);
    const pick = (classes: Int32Array): Int32Array => Int32Array.from(images, (image) => classes[image]!);
    const seen = stacked(
      climbers.map(({ x }) => x),
      room,
    );
    const slope = await oracle.gradient!(
      { images: seen, labels: pick(labels), ...(targets && { targets: pick(targets) }) },
      loss,
    );
    climbers.forEach((climber, row) => {
      const now = way * slope.loss[row]!;
      if (now > climber.loss) climber.rises++;
      climber.loss = now;
      climber.gradient = rowOf(slope.gradient, row);
      if (now > climber.bestLoss) {
        climber.best.data.set(climber.x.data);
        climber.bestGradient.data.set(climber.gradient.data);
        climber.bestLoss = now;
      }
    });
    const reached = new Set(await reachedRows(oracle, batch, threat, seen, slope.logits, images));
    for (const row of reached) offer(search, images[row]!, climbers[row]!.x.data, climbers[row]!.loss, true);
    if (reached.size > 0) climbers = climbers.filter((_, row) => !reached.has(row));
  };

  if (climbers.length > 0) await ask();
  for (const climber of climbers) Object.assign(climber, { rises: 0, bestBefore: climber.bestLoss });
  const checkpoints = checkpointsOf(steps);
  let last = 0;
  for (let done = 1; done <= steps && climbers.length > 0; done++) {
    for (const climber of climbers) {
      const { x, previous, spare, gradient, glide, step } = climber;
      // the first step has none before it
      const part = done === 1 ? 1 : own;
      glide(x, previous, gradient, [way * step], part, spare.data);
      Object.assign(climber, { x: spare, previous: x, spare: previous });
    }
    await ask();
    if (checkpoints.has(done)) {
      for (const climber of climbers) settle(climber, done - last);
      last = done;
    }
    yield;
  }
  for (const { image, best, bestLoss } of climbers) offer(search, image, best.data, bestLoss, false);
}

/** What a checkpoint does to an image, `steps` after the one before. */
function settle(climber: Climber, steps: number): void {
  const stuck = !climber.halved && climber.bestLoss <= climber.bestBefore;
  climber.halved = stuck || climber.rises <= enoughRises * steps;
  if (climber.halved) {
    climber.step /= 2;
    climber.x.data.set(climber.best.data);
    climber.gradient = climber.bestGradient;
  }
  climber.bestBefore = climber.bestLoss;
  climber.rises = 0;
}

/** The steps after which there is a checkpoint: the first after 22 %, each later one 3 % sooner, down to every 6 %. */
export function checkpointsOf(steps: number): ReadonlySet<number> {
  const part = (fraction: number): number => Math.max(1, Math.trunc(fraction * steps));
  const found = new Set<number>();
  for (let at = part(0.22), gap = at; at <= steps; at += gap) {
    found.add(at);
    gap = Math.max(gap - part(0.03), part(0.06));
  }
  return found;
}
