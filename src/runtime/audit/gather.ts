import { balls, scoresOf, to8Bits, type Images, type Oracle } from '../attacks/index.ts';
import type { ImageSource } from '../data/source.ts';
import type { BrokenImage } from './document.ts';
import type { AuditPlan } from './plan.ts';
import type { Measured } from './run-audit.ts';
import { batchAt } from './work.ts';

/** What is looked up of the broken images when all attacks are done. */
export interface Gathered {
  /** Ten at most, those of the weakest attacks first. */
  readonly samples: readonly BrokenImage[];
  /** How many attacked images were rounded to 8 bits, and how many of those are still wrong; null without any. */
  readonly rounded: { readonly tried: number; readonly kept: number } | null;
}

const mostSamples = 10;
const mostRounded = 100;

/** Asks the classifier about some of the images that were broken. */
export async function gather(
  classifier: Oracle,
  source: ImageSource,
  measured: Measured,
  { threat, attacks }: AuditPlan,
): Promise<Gathered> {
  const { adversarial } = measured;
  const order = attacks.map(({ name }) => name);
  const places = [...adversarial.keys()].toSorted(
    (a, b) => order.indexOf(adversarial.get(a)!.attack) - order.indexOf(adversarial.get(b)!.attack) || a - b,
  );
  if (places.length === 0) return { samples: [], rounded: null };
  const shown = await attackedAt(source, places.slice(0, mostSamples), adversarial);
  const after = await classifier.logits(shown.attacked);
  const distances = balls[threat.norm].distance(shown.attacked, shown.images);
  const samples = shown.places.map((place, i): BrokenImage => ({
    place,
    ...(source.places && { number: source.places[place]! }),
    name: source.names?.[place] ?? null,
    label: shown.labels[i]!,
    before: answerOf(measured.logits, place, classifier.classes),
    after: answerOf(after.data, i, classifier.classes),
    attack: adversarial.get(place)!.attack,
    distance: distances[i]!,
  }));
  const tried = await attackedAt(source, places.slice(0, mostRounded), adversarial);
  const scores = scoresOf(
    await classifier.logits(to8Bits(tried.attacked, tried.images, threat)),
    tried.labels,
  );
  const kept = [...scores].filter(({ right }) => !right).length;
  return { samples, rounded: { tried: tried.places.length, kept } };
}

/** Broken images as they were, and as they were attacked. */
export async function attackedAt(
  source: ImageSource,
  places: readonly number[],
  adversarial: Measured['adversarial'],
) {
  const { images, labels } = await batchAt(source, places);
  const data = new Float32Array(images.data.length);
  const size = data.length / places.length;
  places.forEach((place, i) => data.set(adversarial.get(place)!.image, i * size));
  const attacked: Images = { data, shape: images.shape };
  return { places, images, labels, attacked };
}

/** The likeliest class of a row of logits, and the probability of it. */
function answerOf(logits: Float32Array, row: number, classes: number): BrokenImage['after'] {
  const own = logits.subarray(row * classes, (row + 1) * classes);
  const [score] = scoresOf({ data: own, shape: [1, classes] }, [0]);
  if (score!.answer === -1 || !own.every(Number.isFinite)) return { label: -1, probability: null };
  const top = own[score!.answer]!;
  return { label: score!.answer, probability: 1 / own.reduce((sum, z) => sum + Math.exp(z - top), 0) };
}
