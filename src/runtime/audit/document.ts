import { z } from 'zod';
import { Count, Fraction, Measure, Sha256 } from './schema.ts';

/** `audit.json`, schema 2: how a classifier withstands attacks. Fractions are in [0, 1], eps in the unit of pixels in 0..1. */

/** The number of the form of `audit.json` that this version writes. */
export const auditSchema = 2;

const Whole = z.int().nonnegative();
const Seconds = z.number().nonnegative();

/** The classifier, as its file was understood. */
const AuditedClassifier = z.object({
  /** The file's name without its folder. */
  name: z.string(),
  sha256: Sha256,
  bytes: Whole,
  image: z.object({ channels: Count, height: Count, width: Count }),
  classes: Count,
  /** The name of each class; null where nothing names them. */
  labels: z.array(z.string()).nullable(),
  /** What was read from the file or assumed: layout, preprocessing, batch, output; one line each. */
  facts: z.array(z.object({ about: z.string(), text: z.string() })),
  /** Whether attacks could follow its gradient; `why` says in one line what stands in the way, and is null where they could. */
  gradient: z.object({ available: z.boolean(), why: z.string().nullable() }),
  /**
   * How far the logits of the gradient graph were from those of the file, in parts of the largest logit; null without a
   * gradient.
   */
  selfCheck: z.object({ images: Count, apart: z.number(), tolerance: z.number() }).nullable(),
});

/** The images, and which of them were used. */
const AuditedData = z.object({
  /** As it was given: `mnist` or a path. */
  source: z.string(),
  name: z.string(),
  sha256: Sha256,
  /** The names of the classes; a label is a place in this list. */
  classes: z.array(z.string()),
  /** Images there are. `images` of the audit says how many were used. */
  count: Count,
  /**
   * How the images used were chosen: `spread` is at random by the seed, of each class its share, and in an order in which the
   * first of them are of all classes, too. Absent in audits of the first images, or of a folder's in turn by class, as early
   * versions took them.
   */
  chosen: z.literal('spread').exactOptional(),
  /** `answers`: the data has no labels, and the classifier's own answers to clean images stand for them. */
  labels: z.enum(['true', 'answers']),
  /** Images that could not be read and were left out, each with the reason. */
  skipped: z.array(z.object({ name: z.string(), reason: z.string() })),
});

/** What the attacker may do. */
const Threat = z.object({
  /** `linf`: the largest change of a pixel; `l2`: the Euclidean length of the change over all pixels. */
  norm: z.enum(['linf', 'l2']),
  eps: z.number().positive(),
  /** The values that a pixel may have. */
  range: z.tuple([z.number(), z.number()]),
  goal: z.literal('untargeted'),
});

/** One attack, all its settings, and what it did. */
const AuditedAttack = z.object({
  /** Its name with what matters of its settings: `PGD, 40 steps`. */
  title: z.string(),
  /** What the attacker needs of the classifier. */
  access: z.enum(['none', 'logits', 'surrogate', 'gradient', 'model']),
  settings: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])),
  /**
   * Which images it was given: `all` those that are right without an attack, so that `accuracy` is that under this attack
   * alone; or those that are `left` by the attacks before it, so that `accuracy` is that under it and all before it.
   */
  given: z.enum(['all', 'left']),
  /** Only images among the first so many; absent where all may be. */
  most: Count.exactOptional(),
  /** The audit was stopped in it: the rest of its row is of those images that it came to. Absent where it came to all. */
  unfinished: z.literal(true).exactOptional(),
  /** How many images that were. */
  attacked: Whole,
  /** How many of them it broke. */
  broken: Whole,
  accuracy: Fraction,
  /** Wilson's 95 % interval of the accuracy over the choice of images. */
  interval: z.object({ low: Fraction, high: Fraction }),
  /** How often the classifier was asked, in images: for its answer, and for its gradient. */
  queries: z.object({ forward: Whole, backward: Whole }),
});

/** A trained attacker that an attack is of. */
const AuditedAttacker = z.object({
  /** The attack: `generator` or `universal`. */
  attack: z.string(),
  /** Its file's name without its folder. */
  name: z.string(),
  sha256: Sha256,
  /** The least and the largest eps that it was trained for. */
  eps: z.tuple([z.number().nonnegative(), z.number().positive()]),
  /** Whether it is told the class to aim at: it was then tried with several. */
  targeted: z.boolean(),
});

/** The images of one class. */
const ClassRow = z.object({
  label: Whole,
  name: z.string(),
  images: Count,
  /** Accuracy on them without an attack, and in the worst case. */
  clean: Fraction,
  worst: Fraction,
});

/**
 * Accuracy against eps. Each point is attacked anew; an image that a smaller eps broke stays broken. The point at the eps of
 * the audit is that of all its attacks; every other one is of one attack alone, so that all of them would leave less.
 */
const Curve = z.object({
  /** The attack's title. */
  attack: z.string(),
  /** Images that it was measured on: the first of those used. */
  images: Count,
  /** In rising order of eps, from 0 (no attack) on. */
  points: z.array(
    z.object({
      eps: z.number().nonnegative(),
      /** What was run: nothing, all attacks of the audit, or the attack of the curve alone. Absent in early audits. */
      under: z.enum(['nothing', 'all', 'curve']).exactOptional(),
      accuracy: Fraction,
      interval: z.object({ low: Fraction, high: Fraction }),
    }),
  ),
});

/** What a classifier says of one image. */
const Answer = z.object({
  /** The class; -1 where the logits are not all numbers. */
  label: z.int(),
  /** Of the softmax of the logits; null where these are not all numbers. */
  probability: Fraction.nullable(),
});

/** An image that an attack broke. Its pixels are in `adversarial.safetensors`. */
const BrokenImage = z.object({
  /** Its place among the images used. */
  place: Whole,
  /** Its place in the data; absent where it is a file, and where the images used are the first of the data. */
  number: Whole.exactOptional(),
  /** Its file, where it is one. */
  name: z.string().nullable(),
  label: Whole,
  before: Answer,
  after: Answer,
  /** The name of the attack that broke it first, of those in `attacks`. */
  attack: z.string(),
  /** Of the change, in the norm of the threat model. */
  distance: z.number().nonnegative(),
});
export type BrokenImage = Readonly<z.infer<typeof BrokenImage>>;

/** Why the numbers may not say how robust the classifier is. */
export const Check = z.object({
  /** What was looked for: `zero-gradient`, `probabilities`. */
  id: z.string(),
  /** `doubt`: the accuracy under attack cannot be trusted, and a demand is not met by it. `note`: worth knowing. */
  level: z.enum(['doubt', 'note']),
  /** What was found, in one line. */
  title: z.string(),
  /** What it means. */
  why: z.string(),
  whatToDo: z.string(),
});
export type Check = Readonly<z.infer<typeof Check>>;

/** What was demanded, and whether the audit meets it. */
export const Demand = z.object({
  /** `fail-under`: a robust accuracy; `baseline`: that of an earlier audit, less what the choice of images explains. */
  kind: z.enum(['fail-under', 'baseline']),
  /** The smallest robust accuracy that meets it. */
  atLeast: Fraction,
  met: z.boolean(),
  /** In one line. */
  text: z.string(),
});
export type Demand = Readonly<z.infer<typeof Demand>>;

/** Where the numbers came from. */
export const AuditEnvironment = z.object({
  device: z.string(),
  threads: Count,
  onnxruntime: z.string(),
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  sparring: z.string(),
  commit: z.string().nullable(),
});
export type AuditEnvironment = Readonly<z.infer<typeof AuditEnvironment>>;

export const Audit = z.object({
  schema: z.literal(auditSchema),
  classifier: AuditedClassifier,
  data: AuditedData,
  threat: Threat,
  /** Images used. */
  images: Count,
  /** Of all random numbers, and of which images are used. */
  seed: z.int(),
  /** `quick`, `standard`, `thorough`; null where the attacks were listed. */
  preset: z.string().nullable(),
  /** On the images as they are. */
  clean: Measure,
  /** Each attack by its name, in the order in which they ran. */
  attacks: z.record(z.string(), AuditedAttack),
  /** The trained attackers among them; absent where there is none. */
  attackers: z.array(AuditedAttacker).exactOptional(),
  /** Robust accuracy: an image counts as right when it is right as it is and under every attack. An upper bound. */
  worst: Measure,
  /** Classes with images, by label. */
  byClass: z.array(ClassRow),
  curve: Curve.nullable(),
  /**
   * The smallest eps of the curve that breaks an image: `median` over the images of the curve that are right without an
   * attack, null where the largest eps breaks fewer than half. Null without a curve.
   */
  smallestEps: z.object({ median: z.number().nullable(), broken: Whole, images: Whole }).nullable(),
  /** Ten broken images at most, those of the weakest attacks first: what `worst.png` shows, from left to right. */
  samples: z.array(BrokenImage),
  checks: z.array(Check),
  /** The ids of what was looked for: not of checks whose subject was not measured, such as a curve or Square. */
  checked: z.array(z.string()),
  /** What was not measured, and why: attacks that the classifier does not allow, or that there was no time for. */
  notMeasured: z.array(z.object({ what: z.string(), why: z.string() })),
  /** False where the audit was stopped: `notMeasured` then says what is missing, and the numbers are of what is there. */
  complete: z.boolean(),
  demands: z.array(Demand),
  /** Ids of checks that may be in doubt: `--accept`. */
  accepted: z.array(z.string()),
  /** `none` where nothing was demanded. */
  verdict: z.enum(['passed', 'failed', 'none']),
  environment: AuditEnvironment,
  /** The arguments of `sparring`, one each. */
  command: z.array(z.string()),
  /** What is not the same when an audit is run again: seconds of work, of all and by attack. */
  timing: z.object({ seconds: Seconds, attacks: z.record(z.string(), Seconds) }),
});
/** The content of `audit.json`. */
export type Audit = Readonly<z.infer<typeof Audit>>;

/** What was measured, without what only the caller of an audit knows. */
export type Figures = Omit<
  Audit,
  'schema' | 'classifier' | 'data' | 'preset' | 'attackers' | 'environment' | 'command'
>;
