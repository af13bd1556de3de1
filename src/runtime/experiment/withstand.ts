import { z } from 'zod';
import { Count, Fraction, Measure, Sha256 } from '../audit/schema.ts';
import { modes } from './config.ts';
import { Environment } from './result.ts';

/** Who attacks, from those that know least of the classifier to the strongest. */
export const opponents = ['universal', 'own', 'fresh', 'fgsm', 'pgd', 'standard'] as const;
export type Opponent = (typeof opponents)[number];

/** What an opponent left of a classifier, and the command that measured it. */
const Withstood = z.object({
  accuracy: Fraction,
  /** Wilson's 95 % interval of the accuracy over the choice of images. */
  interval: z.object({ low: Fraction, high: Fraction }),
  /** Test images that it was measured on. */
  images: Count,
  /** The arguments of `sparring`, one each. */
  command: z.array(z.string()),
});
export type Withstood = Readonly<z.infer<typeof Withstood>>;

/** `withstand.json`, schema 1: which C1 of a run withstands which attacker. Fractions are in [0, 1]. */
export const Withstand = z.object({
  schema: z.literal(1),
  environment: Environment,
  data: z.object({ source: z.string(), sha256: z.string() }),
  /** The cells of the run: one C1 each, at the eps of its cell, with images clipped to [0, 1]. */
  withstands: z.array(
    z.object({
      /** Relative to the run folder. */
      folder: z.string(),
      mode: z.enum(modes),
      eps: z.number(),
      seed: z.int(),
      /** SHA-256 of its file. */
      model: Sha256,
      clean: Measure,
      /** Those that were measured. */
      under: z.partialRecord(z.enum(opponents), Withstood),
    }),
  ),
});
export type Withstand = Readonly<z.infer<typeof Withstand>>;
