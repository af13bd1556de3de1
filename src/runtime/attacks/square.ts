import type { Attack } from './attack.ts';
import { imagesIn, rowOf, type Images } from './images.ts';
import type { Random } from '../random.ts';
import { marginOf } from './score.ts';
import { offer, reaches, searchOf } from './search.ts';
import { moves } from './square-moves.ts';

/** Settings of Square. */
export interface SquareSettings {
  /** The most often that the classifier is asked about an image, 1 or more. */
  readonly queries: number;
  /** The part of an image that the first squares cover, above 0 and at most 1. */
  readonly part: number;
  /**
   * In how many queries the squares shrink from the first to the last size; null for all that there are. AutoAttack's are
   * 10,000, of which it asks 5,000.
   */
  readonly shrinkOver: number | null;
  /** Random beginnings, 1 or more; each has all the queries. */
  readonly restarts: number;
}

/** An image and what was best of it. */
interface Candidate {
  /** Its place in the batch. */
  readonly image: number;
  readonly origin: Images;
  readonly random: Random;
  readonly best: Images;
  loss: number;
}

/**
 * Square attack (Andriushchenko et al. 2020): random search that asks for nothing but logits. It begins with stripes (in
 * L2 with a grid of peaks), then changes a random square of the image, and keeps the change when the margin between the
 * label and the next class shrinks. The squares become smaller as queries are spent, by the authors' schedule. An image
 * that reaches the goal is asked about no more.
 */
export const square: Attack<SquareSettings> = {
  access: 'logits',
  norms: ['linf', 'l2'],
  goals: ['untargeted', 'targeted'],
  defaults: { queries: 5000, part: 0.8, shrinkOver: null, restarts: 1 },
  title: ({ queries, restarts }) =>
    `Square, ${queries} queries${restarts > 1 ? `, ${restarts} restarts` : ''}`,
  async *run(oracle, batch, threat, { queries, part, shrinkOver, restarts }, random) {
    const search = searchOf(batch);
    const { labels, targets } = batch;
    const { begin, change } = moves[threat.norm];
    const room = new Float32Array(batch.images.data.length);
    let done = 0;
    for (let restart = 0; restart < restarts; restart++) {
      let candidates: Candidate[] = [...search.reached.keys()]
        .filter((image) => !search.reached[image])
        .map((image) => ({
          image,
          origin: rowOf(batch.images, image),
          random: random.own([restart], batch.places[image]!),
          best: { ...rowOf(batch.images, image), data: rowOf(batch.images, image).data.slice() },
          loss: -Infinity,
        }));
      for (let query = 0; query < queries && candidates.length > 0; query++) {
        const covered = part * shrinking(query / (shrinkOver ?? queries));
        const tried = imagesIn(room, candidates.length, batch.images);
        candidates.forEach(({ best, origin, random: own }, row) => {
          const into = rowOf(tried, row);
          if (query === 0) into.data.set(begin(origin, threat, own).data);
          else change(best, origin, threat, covered, own, into.data);
        });
        const logits = await oracle.logits(tried);
        candidates.forEach((candidate, row) => {
          const { image } = candidate;
          const loss =
            threat.goal === 'untargeted'
              ? marginOf(logits, row, labels[image]!)
              : -marginOf(logits, row, targets![image]!);
          const reached = reaches(logits, row, batch, image, threat);
          const { data } = rowOf(tried, row);
          if (loss > candidate.loss) {
            candidate.best.data.set(data);
            candidate.loss = loss;
          }
          if (reached) offer(search, image, data, loss, true);
        });
        candidates = candidates.filter(({ image }) => !search.reached[image]);
        yield ++done;
      }
      for (const { image, best, loss } of candidates) offer(search, image, best.data, loss, false);
    }
    return search.images;
  },
};

/** By what the part of the image that a square covers is divided, after so many of 10,000 queries. */
const schedule: readonly (readonly [from: number, divisor: number])[] = [
  [8000, 512],
  [6000, 256],
  [4000, 128],
  [2000, 64],
  [1000, 32],
  [500, 16],
  [200, 8],
  [50, 4],
  [10, 2],
  [-1, 1],
];

/** What is left of the first squares' part of the image when this part of the time to shrink is over. */
const shrinking = (spent: number): number =>
  1 / schedule.find(([from]) => Math.trunc(10_000 * spent) > from)![1];
