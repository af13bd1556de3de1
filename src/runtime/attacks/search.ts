import { balls } from './ball.ts';
import type { Draws } from './draws.ts';
import { imagesAt, rowOf, type Batch, type Images, type Logits } from './images.ts';
import type { Oracle } from './oracle.ts';
import { answerOf } from './score.ts';
import type { ThreatModel } from './threat.ts';

/** The best image so far for each of a batch: what attacks of several starts and targets fill in. */
export interface Search {
  /** The originals where nothing was offered yet. */
  readonly images: Images;
  /** How far the loss has gone the attacker's way; -Infinity where nothing was offered yet. */
  readonly loss: Float64Array;
  /** 1 where the image reaches the goal, by the logits of the classifier itself. It is then left alone. */
  readonly reached: Uint8Array;
}

/** A search that has found nothing yet. */
export const searchOf = ({ images: { data, shape }, labels: { length } }: Batch): Search => ({
  images: { data: data.slice(), shape },
  loss: new Float64Array(length).fill(-Infinity),
  reached: new Uint8Array(length),
});

/** The places in the batch whose images do not reach the goal yet. */
export const stillOpen = ({ reached }: Search): number[] =>
  [...reached.keys()].filter((image) => reached[image] === 0);

/** Takes an image that reaches the goal, or one of a larger loss than the best so far. */
export function offer(
  search: Search,
  image: number,
  data: Float32Array,
  loss: number,
  reached: boolean,
): void {
  if (search.reached[image] || (!reached && !(loss > search.loss[image]!))) return;
  search.images.data.set(data, image * data.length);
  search.loss[image] = loss;
  search.reached[image] = reached ? 1 : 0;
}

/** Whether a row of logits reaches the goal for an image of the batch: a wrong answer, or the target as the answer. */
export const reaches = (
  logits: Logits,
  row: number,
  { labels, targets }: Batch,
  image: number,
  { goal }: Pick<ThreatModel, 'goal'>,
): boolean =>
  goal === 'untargeted' ? answerOf(logits, row) !== labels[image] : answerOf(logits, row) === targets![image];

/**
 * The rows whose images reach the goal, by the logits of the classifier itself. It is asked only about those that do by
 * the logits that came with a gradient: these are of another graph, and round otherwise.
 *
 * @param images the place in the batch that each row belongs to.
 */
export async function reachedRows(
  oracle: Oracle,
  batch: Batch,
  threat: ThreatModel,
  seen: Images,
  logits: Logits,
  images: readonly number[],
): Promise<readonly number[]> {
  const likely = [...images.keys()].filter((row) => reaches(logits, row, batch, images[row]!, threat));
  if (likely.length === 0) return [];
  const own = await oracle.logits(imagesAt(seen, likely));
  return likely.filter((row, i) => reaches(own, i, batch, images[row]!, threat));
}

/** A random point of the ball around an image of the batch, in the range. */
export function startIn(
  batch: Batch,
  image: number,
  { norm, eps, range }: ThreatModel,
  random: Draws,
  path: readonly number[],
): Images {
  const ball = balls[norm];
  const origin = rowOf(batch.images, image);
  const { uniform } = random.own(path, batch.places[image]!);
  return ball.project(
    ball.start(origin, eps, () => uniform),
    origin,
    eps,
    range,
  );
}
