import type { Attack } from './attack.ts';
import { balls } from './ball.ts';
import { ontoPlane, planeMemory, type PlaneMemory } from './hyperplane.ts';
import { rowOf, sizeOf, stacked, type Batch, type Images } from './images.ts';
import type { Oracle } from './oracle.ts';
import { marginOf } from './score.ts';
import { offer, reaches, searchOf, startIn, stillOpen, type Search } from './search.ts';
import { likeliestOthers } from './targets.ts';
import type { Norm, ThreatModel } from './threat.ts';

/** Settings of FAB. */
export interface FabSettings {
  /** Steps of each restart, 1 or more. */
  readonly steps: number;
  /** How many other classes are tried, the likeliest first; at most as many as there are. A targeted attack has one. */
  readonly targets: number;
  /** For each target: the first from the image itself, the others from random points of the ball. 1 or more. */
  readonly restarts: number;
}

/** How far a step goes, in parts of the way to where the boundary is expected. */
const overshoot = 1.05;
/** What is kept of a change that has crossed the boundary. */
const backward = 0.9;
/** The most that a step is drawn to the original. */
const mostBias = 0.1;

/** An image on its way to the boundary. */
interface Walker {
  /** Its place in the batch. */
  readonly image: number;
  readonly origin: Images;
  x: Images;
  /** The nearest image that reaches the goal; before there is one, the last image. */
  nearest: Images;
  distance: number;
}

/**
 * Fast adaptive boundary attack in its targeted version (Croce and Hein 2020, FAB-T): looks for the smallest change that
 * makes a class as likely as the label. A step takes the boundary for the hyperplane that the gradient says, and goes to a
 * point between the nearest points on it to the image and to the original. An image across the boundary is drawn back. It
 * is done as soon as its change is within eps.
 *
 * Where no change within eps is found, the attack gives what the ball and the range leave of the smallest.
 */
export const fab: Attack<FabSettings> = {
  access: 'gradient',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: { steps: 100, targets: 9, restarts: 1 },
  title: ({ steps, targets, restarts }) =>
    `FAB-T, ${steps} steps, ${targets} targets${restarts > 1 ? `, ${restarts} restarts` : ''}`,
  async *run(oracle, batch, threat, { steps, targets: most, restarts }, random) {
    const search = searchOf(batch);
    const classes =
      threat.goal === 'targeted'
        ? [batch.targets!]
        : likeliestOthers(await oracle.logits(batch.images), batch.labels, most);
    let done = 0;
    for (const [rank, targets] of classes.entries()) {
      for (let restart = 0; restart < restarts; restart++) {
        const walkers = stillOpen(search).map((image): Walker => {
          const origin = rowOf(batch.images, image);
          const x = restart === 0 ? origin : startIn(batch, image, threat, random, [rank, restart]);
          return { image, origin, x, nearest: x, distance: Infinity };
        });
        for await (const _ of walk(oracle, batch, targets, threat, search, walkers, steps)) yield ++done;
      }
    }
    return search.images;
  },
};

async function* walk(
  oracle: Oracle,
  batch: Batch,
  targets: Int32Array,
  threat: ThreatModel,
  search: Search,
  all: readonly Walker[],
  steps: number,
): AsyncGenerator<void, void> {
  const ball = balls[threat.norm];
  let walkers = all;
  const room = new Float32Array(batch.images.data.length);
  const size = sizeOf(batch.images);
  const memory = { plane: planeMemory(size), a: new Float64Array(size), b: new Float64Array(size) };
  const pick = (classes: Int32Array): Int32Array => Int32Array.from(walkers, ({ image }) => classes[image]!);
  for (let step = 0; step < steps && walkers.length > 0; step++) {
    const xs = (): Images =>
      stacked(
        walkers.map(({ x }) => x),
        room,
      );
    const { loss, gradient } = await oracle.gradient!(
      { images: xs(), labels: pick(batch.labels), targets: pick(targets) },
      'difference',
    );
    walkers.forEach((walker, row) => {
      walker.x = towardsBoundary(walker, loss[row]!, rowOf(gradient, row), threat, memory);
    });
    const logits = await oracle.logits(xs());
    walkers.forEach((walker, row) => {
      if (reaches(logits, row, batch, walker.image, threat)) {
        const distance = ball.distance(walker.x, walker.origin)[0]!;
        if (distance < walker.distance) Object.assign(walker, { nearest: walker.x, distance });
        walker.x = drawnBack(walker);
      } else if (walker.distance === Infinity) {
        walker.nearest = walker.x;
      }
    });
    await settle(
      oracle,
      batch,
      threat,
      search,
      walkers.filter(({ distance }) => distance <= threat.eps),
    );
    walkers = walkers.filter(({ image }) => !search.reached[image]);
    yield;
  }
  await settle(oracle, batch, threat, search, walkers);
}

/** Offers what the ball and the range leave of the nearest images. */
async function settle(
  oracle: Oracle,
  batch: Batch,
  threat: ThreatModel,
  search: Search,
  walkers: readonly Walker[],
): Promise<void> {
  if (walkers.length === 0) return;
  const found = walkers.map(({ nearest, origin }) =>
    balls[threat.norm].project(nearest, origin, threat.eps, threat.range),
  );
  const logits = await oracle.logits(stacked(found));
  walkers.forEach(({ image }, row) => {
    const loss =
      threat.goal === 'untargeted'
        ? marginOf(logits, row, batch.labels[image]!)
        : -marginOf(logits, row, batch.targets![image]!);
    offer(search, image, found[row]!.data, loss, reaches(logits, row, batch, image, threat));
  });
}

/**
 * (1 - bias) (x + overshoot * a) + bias (o + overshoot * b), with the smallest changes `a` and `b` that take the image and
 * the original onto the hyperplane, and a bias of |a| / (|a| + |b|) or less.
 *
 * @param loss what the target's logit is above the label's.
 */
function towardsBoundary(
  { x: { data: x, shape }, origin: { data: origin } }: Walker,
  loss: number,
  { data: slope }: Images,
  { norm, range }: ThreatModel,
  { plane, a, b }: { readonly plane: PlaneMemory; readonly a: Float64Array; readonly b: Float64Array },
): Images {
  let ahead = 0;
  for (let at = 0; at < x.length; at++) ahead += slope[at]! * (x[at]! - origin[at]!);
  const fromX = ontoPlane(x, slope, -loss, norm, range, plane, a);
  const fromOrigin = ontoPlane(origin, slope, ahead - loss, norm, range, plane, b);
  const [far, home] = [lengthOf[norm](fromX), lengthOf[norm](fromOrigin)];
  const bias = Math.min(mostBias, far / (far + home));
  const [low, high] = range ?? [-Number.MAX_VALUE, Number.MAX_VALUE];
  const moved = new Float32Array(x.length);
  for (let at = 0; at < x.length; at++) {
    const ofX = x[at]! + overshoot * fromX[at]!;
    const ofOrigin = origin[at]! + overshoot * fromOrigin[at]!;
    const mixed = (1 - bias) * ofX + bias * ofOrigin;
    const below = Number(mixed < low);
    const above = Number(mixed > high);
    moved[at] = below * low + above * high + (1 - below - above) * mixed;
  }
  return { data: moved, shape };
}

/** How long a change is in each norm; never 0, because it is divided by. */
const lengthOf: { readonly [N in Norm]: (change: Float64Array) => number } = {
  linf(change) {
    let most = 1e-8;
    for (let at = 0; at < change.length; at++) {
      const far = Math.abs(change[at]!);
      // seldom true, so a branch is quicker than Math.max
      if (far > most) most = far;
    }
    return most;
  },
  l2(change) {
    let sum = 1e-16;
    for (let at = 0; at < change.length; at++) sum += change[at]! * change[at]!;
    return Math.sqrt(sum);
  },
};

/** o + backward * (x - o) */
function drawnBack({ x: { data: x, shape }, origin: { data: origin } }: Walker): Images {
  const data = new Float32Array(x.length);
  for (let at = 0; at < x.length; at++) data[at] = origin[at]! + backward * (x[at]! - origin[at]!);
  return { data, shape };
}
