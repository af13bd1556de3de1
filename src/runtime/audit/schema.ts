import { z } from 'zod';

/** What attacks leave of a classifier, as documents hold it. Fractions are in [0, 1]. */

export const Fraction = z.number().min(0).max(1);
export const Count = z.int().positive();
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** One classifier on one set of images. */
export const Measure = z.object({
  accuracy: Fraction,
  /** Wilson's 95 % interval of the accuracy over the test images. */
  interval: z.object({ low: Fraction, high: Fraction }),
  /** Mean cross-entropy in nats, over the images whose logits are all numbers; absent where there is none. */
  loss: z.number().exactOptional(),
  /** Images whose logits are not all numbers (NaN or infinite), and which count as wrong; absent where there is none. */
  notNumbers: Count.exactOptional(),
});
export type Measure = Readonly<z.infer<typeof Measure>>;

/** The attacks, in the order in which they are shown: from the floor to the strongest, then the learned one. */
export const attackNames = ['noise', 'fgsm', 'pgd', 'attacker'] as const;
export type AttackName = (typeof attackNames)[number];
export const AttackName = z.enum(attackNames);

/** Every hyper-parameter of an attack. Step sizes are in parts of eps. */
export const AttackSettings = z.discriminatedUnion('attack', [
  /** Uniform in [-eps, eps] on every pixel. */
  z.object({ attack: z.literal('noise'), seed: z.int() }),
  z.object({
    attack: z.literal('fgsm'),
    loss: z.literal('cross-entropy'),
    steps: z.literal(1),
    stepSize: z.literal(1),
  }),
  z.object({
    attack: z.literal('pgd'),
    loss: z.literal('cross-entropy'),
    steps: Count,
    stepSize: z.number().positive(),
    /** Random starts; the best is taken for each example by itself. */
    restarts: Count,
    start: z.literal('uniform'),
    seed: z.int(),
  }),
  /** The trained attacker of the classifier. */
  z.object({ attack: z.literal('attacker') }),
]);
export type AttackSettings = Readonly<z.infer<typeof AttackSettings>>;

/** What an attacker knows: the classifier's weights, or those of another classifier from which examples carry over. */
export const Knowledge = z.enum(['white-box', 'transfer']);

/** One classifier under every attack that was asked for. */
export const ClassifierEvaluation = z.object({
  knowledge: Knowledge,
  clean: Measure,
  attacks: z.partialRecord(AttackName, Measure),
  /** The worst case of each example by itself: right only if it is right under every attack; its loss is the largest. */
  worst: Measure,
});
export type ClassifierEvaluation = Readonly<z.infer<typeof ClassifierEvaluation>>;
