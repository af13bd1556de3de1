import type { Configured, ThreatModel } from '../runtime/attacks/index.ts';
import type { ImageShape } from '../runtime/attacks/images.ts';
import type { Constraint } from '../runtime/attacks/constrain.ts';
import type { Queries } from '../runtime/audit/oracle.ts';
import { valuesOf } from '../runtime/classifier-card.ts';
import type { Source } from './sources.ts';

/** Images of one or more requests, and what a worker is to do with them. */
export interface Batch {
  /** What it opens for that: the id of a {@link Source}. */
  readonly cell: string;
  /** The values of n images, in 0..1. */
  readonly images: Float32Array;
  /** One an image: what becomes of it must satisfy this. */
  readonly constraints: readonly Pick<Constraint, 'clip' | 'bits'>[];
  /** What is asked of a classifier. Absent for a cell, which has one attack. */
  readonly ask?: Ask;
}

/** What is asked of a classifier about images. */
export type Ask = { readonly kind: 'logits' } | AskAttack;

/** One attack on all images of one request. */
export interface AskAttack {
  readonly kind: 'attack';
  readonly attack: Configured;
  readonly threat: ThreatModel;
  readonly seed: number;
  /** The true classes; what the classifier says of the images when null. */
  readonly labels: Int32Array | null;
  /** Where the goal is targeted. */
  readonly targets: Int32Array | null;
}

/** One black image. */
export const blankImage = (image: ImageShape): Pick<Batch, 'images' | 'constraints'> => ({
  images: new Float32Array(valuesOf(image)),
  constraints: [{ clip: true, bits: null }],
});

/** What models run to show that they do. */
export const blankOf = ({ id, image }: Source): Batch => ({ cell: id, ...blankImage(image) });

/**
 * Whether two batches may be done as one. Attacks on a classifier may not: rounding depends on the batch, and so would an
 * answer on who asks at the same time.
 */
export const goTogether = (a: Batch, b: Batch): boolean =>
  a.cell === b.cell && a.ask?.kind === b.ask?.kind && a.ask?.kind !== 'attack';

/** Numbers by what they say, the same count for each image of a batch, image after image. */
type Rows = Readonly<Record<string, Float32Array | Float64Array | null>>;

/** What the attacker of a cell made of images. */
export type CellRows = {
  /** As many values as the images have: the attacker's outputs. */
  readonly perturbation: Float32Array;
  /** As many. */
  readonly attacked: Float32Array;
  readonly linf: Float64Array;
  readonly l2: Float64Array;
  /** `2 * classes` an image: probabilities before, then after. */
  readonly c1: Float32Array;
  /** The same of C2; null where there is none. */
  readonly c2: Float32Array | null;
};

/** What a classifier says of images. */
export type LogitsRows = { readonly logits: Float32Array };

/** What an attack on a classifier made of images. */
export interface AttackResult {
  readonly attacked: Float32Array;
  readonly linf: Float64Array;
  readonly l2: Float64Array;
  /** Logits of the images, and of the attacked ones. */
  readonly before: Float32Array;
  readonly after: Float32Array;
  /** What the attack asked of the classifier, in images. */
  readonly queries: Queries;
}

/** What comes out of a batch. */
export type Result = CellRows | LogitsRows | AttackResult;

/** Many batches as one. */
export function joined(parts: readonly Batch[]): Batch {
  const [first] = parts;
  if (parts.length === 1) return first!;
  const images = new Float32Array(parts.reduce((sum, batch) => sum + batch.images.length, 0));
  let at = 0;
  for (const batch of parts) {
    images.set(batch.images, at);
    at += batch.images.length;
  }
  return { ...first!, images, constraints: parts.flatMap(({ constraints }) => constraints) };
}

/** The part of a joined batch's result that begins at an image; only batches that {@link goTogether} are joined. */
export function partOf(result: Result, total: number, start: number, count: number): Result {
  const rows = result as Rows;
  return Object.fromEntries(
    Object.entries(rows).map(([name, numbers]) => {
      const each = (numbers?.length ?? 0) / total;
      return [name, numbers && numbers.slice(start * each, (start + count) * each)];
    }),
  ) as Result;
}
