import { z } from 'zod';
import {
  AttackSettings,
  ClassifierEvaluation,
  Count,
  Fraction,
  Knowledge,
  Measure,
  Sha256,
} from '../audit/schema.ts';
import { Environment } from './result.ts';

/** `evaluation.json`, schema 1: what every attack leaves of the classifiers of a run. Fractions are in [0, 1]. */

/** What names a cell of a run. */
const CellKey = z.object({
  /** Relative to the run folder. */
  folder: z.string(),
  mode: z.string(),
  eps: z.number(),
  seed: z.int(),
  bound: z.string(),
  clip: z.boolean(),
});

const CellEvaluation = CellKey.extend({
  /** SHA-256 of the model files. */
  models: z.object({ c1: Sha256, c2: Sha256.exactOptional(), attacker: Sha256 }),
  /** C1, which the attacks know. */
  c1: ClassifierEvaluation,
  /** C2, on the examples that were made for C1; noise knows neither. Absent where a run has no C2 (`hasTransfer`). */
  c2: ClassifierEvaluation.exactOptional(),
  /**
   * A safetensors file, relative to the folder of `evaluation.json`, with one `bool` tensor [images] a line of the table, true where the
   * classifier is right: `c1/clean`, `c1/noise`, ..., `c1/worst`, `c2/...`; and `label` int32 [images].
   */
  masks: z.string(),
});
export type CellEvaluation = Readonly<z.infer<typeof CellEvaluation>>;
/** A cell before its masks are a file. */
export type MeasuredCell = Omit<CellEvaluation, 'masks'>;

/** Accuracy against eps of one classifier under one attack, made anew at each eps. */
const Curve = z.object({
  /** The cell that the classifier is taken from; cells that share a classifier share its curves. */
  folder: z.string(),
  classifier: z.enum(['c1', 'c2']),
  /** SHA-256 of the classifier's file. */
  model: Sha256,
  knowledge: Knowledge,
  attack: z.enum(['noise', 'fgsm', 'pgd']),
  clip: z.boolean(),
  /** Images that the curve was measured on: the first of the test set. */
  images: Count,
  /** In rising order of eps. */
  points: z.array(Measure.extend({ eps: z.number().nonnegative() })),
});
export type Curve = Readonly<z.infer<typeof Curve>>;

/** Who stands in a row or a column of the cross-attack matrix. */
const Player = z.object({
  /** Short and unique in the matrix: `alternating eps 0.08 seed 1 A`. */
  name: z.string(),
  /** The run folder, as it was given; the evaluated run itself is `.`. */
  run: z.string(),
  folder: z.string(),
  role: z.enum(['attacker', 'c1', 'c2']),
  mode: z.string(),
  eps: z.number(),
  seed: z.int(),
  clip: z.boolean(),
  architecture: z.string(),
  model: Sha256,
});
export type Player = Readonly<z.infer<typeof Player>>;

/** Every attacker against every classifier. */
export const Matrix = z.object({
  attackers: z.array(Player),
  classifiers: z.array(Player),
  images: Count,
  /** Clean accuracy of each classifier. */
  clean: z.array(Measure),
  /** `accuracy[attacker][classifier]`: what is left. */
  attacked: z.array(z.array(Measure)),
  /**
   * The same on the images that the classifier and the attacker's own C1 both had right before: how many those are, and
   * which part of them stays right. Null where there are none.
   */
  transfer: z.array(z.array(z.object({ images: z.int().nonnegative(), accuracy: Fraction.nullable() }))),
});
export type Matrix = Readonly<z.infer<typeof Matrix>>;

/** A broken expectation: a number here is then not to be trusted before somebody has found out why. */
const Warning = z.object({
  check: z.enum([
    'fgsm-below-pgd',
    'attacker-below-pgd',
    'attack-above-noise',
    'above-chance-at-large-eps',
    'transfer-below-white-box',
    'curve-rises',
    'steps-not-enough',
    // what makes a classifier seem robust that is not
    'zero-gradient',
    'probabilities',
    'constant-answers',
    'not-a-number',
  ]),
  folder: z.string(),
  classifier: z.enum(['c1', 'c2']),
  message: z.string(),
});
export type Warning = Readonly<z.infer<typeof Warning>>;

/** PGD with twice the steps on some images: less than a point apart says that the steps are enough. */
const Doubling = z.object({
  folder: z.string(),
  images: Count,
  steps: Count,
  accuracy: Fraction,
  doubled: Fraction,
});
export type Doubling = Readonly<z.infer<typeof Doubling>>;

export const Evaluation = z.object({
  schema: z.literal(1),
  environment: Environment,
  /** The arguments of `sparring`, one each. */
  command: z.array(z.string()),
  data: z.object({ source: z.string(), sha256: z.string(), images: Count }),
  /** What holds for every cell; a cell has its own eps, and images in [0, 1] where `clip` is true. */
  threat: z.object({
    norm: z.literal('Linf'),
    goal: z.literal('untargeted'),
    /** Pixels are float32; nothing is rounded to 8 bits. */
    precision: z.literal('float32'),
    knowledge: z.object({ c1: z.literal('white-box'), c2: z.literal('transfer').exactOptional() }),
  }),
  attacks: z.array(AttackSettings),
  cells: z.array(CellEvaluation),
  curves: z.array(Curve),
  doublings: z.array(Doubling),
  matrix: Matrix.nullable(),
  warnings: z.array(Warning),
});
/** The content of `evaluation.json`. */
export type Evaluation = Readonly<z.infer<typeof Evaluation>>;
