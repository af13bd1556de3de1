import { z } from 'zod';
import { BeforeAfter } from '../audit/confusion.ts';

const Scores = z.object({ accuracy: z.number(), loss: z.number() });
const ClassifierScores = z.object({ clean: Scores, noise: Scores, attacked: Scores.optional() });
const Means = z.object({ loss: z.number(), accuracy: z.number() });

/** What is trained: C1, C2, the further classifiers that A may be trained against, A. */
export const Network = z.union([
  z.enum(['c1', 'c2']),
  z.templateLiteral(['target', z.int().min(2)]),
  z.literal('attacker'),
]);
export type Network = z.infer<typeof Network>;

/** C1, C2, the further classifiers by their number, A: the order in which networks are told. */
export const rank = (network: Network): number =>
  ({ c1: 0, c2: 1, attacker: Infinity })[network as string] ?? Number(network.replace('target', ''));

/** The further classifiers that A is trained against beside C1: `target2` and so on. */
export const furtherTargets = (targets = 1): readonly Network[] =>
  Array.from({ length: targets - 1 }, (_, i) => `target${i + 2}` as const);

const Epoch = z.object({
  epoch: z.int().positive(),
  /** By network trained in this epoch: means over its batches. */
  train: z.partialRecord(Network, Means),
});
const Scored = z.object({ c1: ClassifierScores, c2: ClassifierScores });

/**
 * What one epoch of a cell gave: means over its training batches, and scores on the test set after it. Phase `attacker`
 * is the one in which A is trained, with or without C1.
 */
export const EpochRecord = z.object({
  phase: z.enum(['classifier', 'attacker']),
  ...Epoch.shape,
  ...Scored.shape,
});
export type EpochRecord = Readonly<z.infer<typeof EpochRecord>>;

/** What one epoch of classifiers gave that several cells begin with: scores under noise of each eps. */
export const ClassifierRecord = z.object({
  ...Epoch.shape,
  scores: z.array(z.object({ eps: z.number(), ...Scored.shape })),
});
export type ClassifierRecord = Readonly<z.infer<typeof ClassifierRecord>>;

/** The answers of both classifiers. */
export interface Confusions {
  readonly c1: BeforeAfter;
  readonly c2: BeforeAfter;
}
export const Confusions = z.object({ c1: BeforeAfter, c2: BeforeAfter });

/** The epochs of classifiers as a cell of this eps has them in its records. */
export const classifierRecords = (
  { position }: { readonly position: { readonly records: readonly ClassifierRecord[] } },
  eps: number,
): readonly EpochRecord[] =>
  position.records.map(({ epoch, train, scores }) => {
    const { c1, c2 } = scores.find((score) => score.eps === eps)!;
    return { phase: 'classifier', epoch, train, c1, c2 };
  });
