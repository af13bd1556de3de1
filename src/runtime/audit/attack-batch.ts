import {
  attackOf,
  balls,
  drawsOf,
  scoresOf,
  type Batch,
  type Configured,
  type Images,
  type Oracle,
  type ThreatModel,
} from '../attacks/index.ts';

/** What an attack made of a batch. */
export interface Attacked {
  readonly images: Images;
  /** 1 where the classifier itself, asked again, is wrong about the attacked image. */
  readonly broken: Uint8Array;
}

/**
 * Runs one attack on a batch and asks the classifier about what it gives. Yields after each step of the attack.
 *
 * @param name of its random numbers: the same attack under another name draws others.
 * @throws Error when the attack leaves the ball or the range.
 */
export async function* attackBatch(
  oracle: Oracle,
  batch: Batch,
  threat: ThreatModel,
  { attack, settings }: Configured,
  { seed, name }: { readonly seed: number; readonly name: string },
): AsyncGenerator<number, Attacked> {
  const work = attackOf(attack).run(oracle, batch, threat, settings as never, drawsOf(seed, name));
  let images: Images;
  try {
    let next = await work.next();
    for (; !next.done; next = await work.next()) yield next.value;
    images = next.value;
  } finally {
    await work.return(batch.images);
  }
  demandValid(attack, images, batch, threat);
  const scores = scoresOf(await oracle.logits(images), batch.labels);
  return { images, broken: Uint8Array.from(scores, ({ right }) => (right ? 0 : 1)) };
}

/** A change that is larger than eps by more than float32 rounds. */
const tolerance = 1e-6;

/** Whatever an attack claims, what it gives must be what the threat model allows. */
function demandValid(attack: string, images: Images, batch: Batch, { norm, eps, range }: ThreatModel): void {
  const far = balls[norm].distance(images, batch.images).some((distance) => !(distance <= eps + tolerance));
  const [low, high] = range ? range.map(Math.fround) : [-Infinity, Infinity];
  const out = images.data.some((x) => !(x >= low! && x <= high!));
  if (!far && !out) return;
  throw new Error(`${attack} left ${far ? `the ball of eps ${eps}` : `the range ${low}..${high}`}: a bug`);
}
