import { z } from 'zod';

/** Where an attacker's file says what it is, in the metadata of the model. */
export const attackerMetadata = 'sparring.attacker';

const Fraction = z.number().min(0).max(1);
const Count = z.int().positive();

/** What an attacker does to the images that it was measured on, at one eps. */
const AttackerMeasure = z.object({
  eps: z.number().nonnegative(),
  /** Images that were attacked. */
  images: Count,
  /** Accuracy on the images as they are, and attacked. Of a targeted one, aimed at one class after another: the mean. */
  clean: Fraction,
  attacked: Fraction,
  /** The part of the images whose answer changes, whatever the label (fooling rate). */
  fooling: Fraction,
  /** The part of the attacked images that get the target as answer, of the classes aimed at (nine at most) the mean; null where untargeted. */
  success: Fraction.nullable(),
  /** The class that is answered most often to attacked images that are wrong, and its part of them; null where none is. */
  favourite: z.object({ label: z.int().nonnegative(), part: Fraction }).nullable(),
});
export type AttackerMeasure = Readonly<z.infer<typeof AttackerMeasure>>;

/** What stands under {@link attackerMetadata}, as JSON. */
export const AttackerCard = z.object({
  schema: z.literal(1),
  kind: z.enum(['generator', 'universal']),
  /** The least and the largest; where they differ, the model takes `eps` [batch]. */
  eps: z.tuple([z.number().nonnegative(), z.number().positive()]),
  /** Whether the model takes `target` [batch]. */
  targeted: z.boolean(),
  bound: z.enum(['tanh', 'clamp']),
  /** Channels of the first convolution; null where there is none. */
  width: Count.nullable(),
  image: z.object({ channels: Count, height: Count, width: Count }),
  classes: Count,
  /** The classifiers that it was trained against. */
  against: z.array(z.object({ name: z.string(), sha256: z.string() })),
  training: z.object({
    data: z.object({ name: z.string(), sha256: z.string(), images: Count }),
    epochs: Count,
    batchSize: Count,
    learningRate: z.number().positive(),
    objective: z.enum(['complement', 'ce']),
    spread: z.number().nonnegative(),
    seed: z.int(),
  }),
  /** On images that it was not trained on, where there were others; by eps. */
  measured: z.array(AttackerMeasure),
});
/** What a trained attacker is, where it comes from, and what it does. */
export type AttackerCard = Readonly<z.infer<typeof AttackerCard>>;
