import {
  someOf,
  unsuited,
  type Batch,
  type Configured,
  type Images,
  type Oracle,
  type ThreatModel,
} from '../attacks/index.ts';
import type { ImageSource } from '../data/source.ts';
import { InputError } from '../errors.ts';
import { attackBatch, reachedBy } from './attack-batch.ts';

/** What a cascade runs. */
export interface CascadePlan {
  readonly threat: ThreatModel;
  /** In this order: cheap ones first, because each takes only what the ones before left. */
  readonly attacks: readonly Configured[];
  /** The class that each image of the source is to become, for a targeted goal. */
  readonly targets?: Int32Array;
  /** Of all random numbers. */
  readonly seed: number;
  /** Images at a time, 1 or more. */
  readonly batchSize: number;
}

/**
 * What one attack did to one chunk of images; plain data, to be kept by whoever wants to resume. Images that reach the
 * goal are those that the classifier itself, asked again, is wrong about (or calls the target).
 */
export interface Chunk {
  /** The place of the attack in the plan; -1 for the images as they are. */
  readonly attack: number;
  /** The number of the chunk among those of this attack, from 0. */
  readonly chunk: number;
  /** The places in the source of the images that were attacked. */
  readonly places: Int32Array;
  /** 1 for each of them that reaches the goal. */
  readonly reached: Uint8Array;
  /** Those that do, one after another, as they were attacked; of the images as they are, none. */
  readonly images: Float32Array;
}

/** What a cascade says while it runs. */
export type CascadeEvent =
  | {
      readonly kind: 'step';
      readonly attack: number;
      readonly done: number;
      readonly total: number;
      readonly step: number;
    }
  | { readonly kind: 'chunk'; readonly chunk: Chunk; readonly done: number; readonly total: number };

/** The worst that the attacks did to each image. */
export interface WorstCases {
  /** By image: the place of the attack that reached the goal first, -1 where that needed none; null where none did. */
  readonly by: readonly (number | null)[];
  /** The adversarial image of each that an attack broke, by its place in the source. */
  readonly images: ReadonlyMap<number, Float32Array>;
}

/**
 * Attacks every image of a source with one attack after another, each only on the images that are still right. An image
 * counts as broken when the classifier itself is wrong about the attacked image: the logits that come with a gradient are
 * of another graph and are not asked.
 *
 * The same plan, source, device and number of threads give the same results. Chunks are cut from the list of what is still
 * right, so a chunk is known once all chunks before it are.
 *
 * @param known the chunks of a run that was interrupted: those are not computed again.
 * @throws InputError when an attack cannot be run on the classifier; Error when an attack leaves the ball or the range.
 */
export async function* cascade(
  oracle: Oracle,
  source: ImageSource,
  plan: CascadePlan,
  known: (attack: number, chunk: number) => Chunk | undefined = () => undefined,
): AsyncGenerator<CascadeEvent, WorstCases> {
  const { threat, attacks, batchSize } = plan;
  for (const { attack } of attacks) {
    const lack = unsuited(attack, oracle, threat);
    if (lack !== null) throw new InputError(lack);
  }
  const by: (number | null)[] = new Array<null>(source.count).fill(null);
  const images = new Map<number, Float32Array>();
  for (let attack = -1; attack < attacks.length; attack++) {
    const open = [...by.keys()].filter((place) => by[place] === null);
    for (let start = 0, chunk = 0; start < open.length; start += batchSize, chunk++) {
      const places = Int32Array.from(open.slice(start, start + batchSize));
      const about = { attack, done: start, total: open.length };
      const result = known(attack, chunk) ?? {
        attack,
        chunk,
        places,
        ...(yield* attacked(oracle, await batchAt(source, places, plan), plan, attack, about)),
      };
      keep(result, places, by, images);
      yield { kind: 'chunk', chunk: result, done: start + places.length, total: open.length };
    }
  }
  return { by, images };
}

/** The images of a source at some places. */
async function batchAt(source: ImageSource, places: Int32Array, { targets }: CascadePlan): Promise<Batch> {
  const { image, label } = await source.read(places);
  return {
    images: { data: image.data, shape: image.shape } as Images,
    labels: label.data as Int32Array,
    ...(targets && { targets: places.map((place) => targets[place]!) }),
    places,
  };
}

/** One attack on one batch, judged by the classifier. */
async function* attacked(
  oracle: Oracle,
  batch: Batch,
  { attacks, threat, seed }: CascadePlan,
  attack: number,
  about: { readonly attack: number; readonly done: number; readonly total: number },
): AsyncGenerator<CascadeEvent, Pick<Chunk, 'reached' | 'images'>> {
  if (attack < 0) {
    return { reached: await reachedBy(oracle, batch.images, batch, threat), images: new Float32Array(0) };
  }
  const configured = attacks[attack]!;
  // the same attack may stand twice in a plan, and then draws anew
  const draws = { seed, name: `${attack} ${configured.attack}` };
  const work = attackBatch(oracle, batch, threat, configured, draws);
  let next = await work.next();
  try {
    for (; !next.done; next = await work.next()) yield { kind: 'step', ...about, step: next.value };
  } finally {
    await work.return(undefined as never);
  }
  const { images, reached } = next.value;
  const broken = [...reached.keys()].filter((i) => reached[i] === 1);
  return { reached, images: someOf({ ...batch, images }, broken).images.data };
}

function keep(
  { attack, chunk, places, reached, images }: Chunk,
  expected: Int32Array,
  by: (number | null)[],
  found: Map<number, Float32Array>,
): void {
  if (places.join() !== expected.join()) {
    throw new InputError(
      `chunk ${chunk} of attack ${attack} is of other images than this run's; begin again`,
    );
  }
  const broken = [...places.keys()].filter((i) => reached[i] === 1);
  const size = images.length / broken.length;
  broken.forEach((i, n) => {
    by[places[i]!] = attack;
    if (attack >= 0) found.set(places[i]!, images.subarray(n * size, (n + 1) * size));
  });
}
