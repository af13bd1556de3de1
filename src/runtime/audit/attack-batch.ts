import {
  attackOf,
  balls,
  drawsOf,
  reaches,
  type Batch,
  type Configured,
  type Images,
  type Logits,
  type Oracle,
  type ThreatModel,
} from '../attacks/index.ts';

/** What an attack made of a batch. */
export interface Attacked {
  readonly images: Images;
  /** What the classifier itself says of them. */
  readonly logits: Logits;
  /** 1 where the attacked image reaches the goal, by the classifier itself, asked again. */
  readonly reached: Uint8Array;
}

/**
 * Runs one attack on a batch and asks the classifier about what it gives: the logits that come with a gradient are of
 * another graph and are not asked. Yields the steps done, after each.
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
  const logits = await oracle.logits(images);
  const reached = Uint8Array.from(batch.labels, (_, i) => (reaches(logits, i, batch, i, threat) ? 1 : 0));
  return { images, logits, reached };
}

/**
 * A change that is larger than eps by this is a fault of the attack, and not rounding: pixels and bounds are float32, and
 * one of 1 is rounded by 6e-8.
 */
const tolerance = 1e-6;

/** Whatever an attack claims, what it gives must be what the threat model allows. */
function demandValid(name: string, images: Images, batch: Batch, { norm, eps, range }: ThreatModel): void {
  const far = balls[norm]
    .distance(images, batch.images)
    .findIndex((distance) => !(distance <= eps + tolerance));
  const [low, high] = range ? range.map(Math.fround) : [-Infinity, Infinity];
  const odd = images.data.findIndex((x) => !(x >= low! && x <= high!));
  if (far === -1 && odd === -1) return;
  const at = far !== -1 ? far : Math.floor((odd * batch.labels.length) / images.data.length);
  throw new Error(
    `${name} left the ${far !== -1 ? `ball of eps ${eps}` : `range ${low}..${high}`} on image ${batch.places[at]}; ` +
      'this is a bug',
  );
}
