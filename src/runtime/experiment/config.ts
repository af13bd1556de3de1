import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Defence } from '../../models/adversarial.ts';
import type { AdoptOptions } from '../../models/classifier/options.ts';
import { deviceNames } from '../devices/index.ts';

/** The values of an option, by themselves: one that is missing does not compile. */
type Values<K extends keyof AdoptOptions> = { readonly [V in NonNullable<AdoptOptions[K]> & string]: V };
const layouts: Values<'layout'> = { nchw: 'nchw', nhwc: 'nhwc' };
const scales: Values<'scale'> = { '0..1': '0..1', '0..255': '0..255', '-1..1': '-1..1' };
const channelOrders: Values<'channels'> = { rgb: 'rgb', bgr: 'bgr', grey: 'grey' };

const Count = z.int().positive();
/** A file, or a folder of data, and what was found there. */
const Source = z.strictObject({ source: z.string(), sha256: z.string() });
/** A classifier's file, with what was said of it that it does not say itself (`AdoptOptions`). */
const ClassifierSource = Source.extend({
  adopt: z
    .strictObject({
      input: z.string().exactOptional(),
      output: z.string().exactOptional(),
      layout: z.enum(layouts).exactOptional(),
      scale: z.enum(scales).exactOptional(),
      mean: z.array(z.number()).readonly().exactOptional(),
      std: z.array(z.number()).readonly().exactOptional(),
      channels: z.enum(channelOrders).exactOptional(),
      size: z.tuple([Count, Count]).readonly().exactOptional(),
    })
    .exactOptional(),
});

/**
 * How A and C1 are trained: one after the other (paper, section 2.1.1), in turns on attacked images (2.1.2), or one after the
 * other with a C1 that was trained against gradient attacks in between, which the paper has not.
 */
export const modes = ['consecutive', 'alternating', 'hardened'] as const;
export type Mode = (typeof modes)[number];
/** Those of the paper. */
export const paperModes = ['consecutive', 'alternating'] as const satisfies readonly Mode[];

const defences: { readonly [D in Defence]: D } = { fast: 'fast', pgd: 'pgd', trades: 'trades' };

/** How C1 is hardened: `DefenceSettings` in `src/models/adversarial.ts` says what each setting of the attack is. */
const DefenceConfig = z.strictObject({
  method: z.enum(defences),
  /** Passes over the training images. */
  epochs: Count,
  steps: Count,
  stepSize: z.number().positive(),
  start: z.number().nonnegative(),
  beta: z.number().nonnegative(),
});
export type DefenceConfig = Readonly<z.infer<typeof DefenceConfig>>;

const listOf = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .min(1)
    .refine((list) => new Set(list).size === list.length, 'a value is listed twice');

/** The classifiers that can be trained, by name: `src/models/networks/index.ts` has them. */
export const architectures = ['paper', 'mlp', 'lenet5', 'resnet'] as const;

/** Other ways to read what the paper leaves open: `src/models/readings.ts` says what each is. */
export const readings = [
  'dcgan',
  'target-batch-statistics',
  'batch-statistics',
  'separate-batches',
  'five-attacker-steps',
  'clean-too',
] as const;

/** What all cells of a run have in common. */
const common = {
  bound: z.enum(['tanh', 'clamp']),
  clip: z.boolean(),
  /** The classifiers' network; the paper's where it is absent. */
  architecture: z.enum(architectures).optional(),
  batchSize: Count,
  attackerEpochs: Count,
  learningRate: z.number().positive(),
  /** First examples used of each split; null for all. */
  trainLimit: Count.nullable(),
  testLimit: Count.nullable(),
  /** `mnist` or a folder, and what was found there. */
  data: Source,
  /** How many classifiers A is trained against, C1 and further ones; absent for C1 alone. */
  targets: Count.exactOptional(),
  /** Ways to read the paper other than ours; absent for ours. */
  readings: listOf(z.enum(readings)).exactOptional(),
  /** An ONNX classifier in C1's place, which is not trained; absent where C1 and C2 are. */
  against: ClassifierSource.exactOptional(),
  /** An ONNX classifier in C2's place; absent where it is C2, or where there is no C2 (`hasTransfer`). */
  transfer: ClassifierSource.exactOptional(),
  /** How C1 is hardened in mode `hardened`; absent where no cell has that mode. */
  defence: DefenceConfig.exactOptional(),
  device: z.enum(deviceNames),
  threads: Count,
};

const run = {
  schema: z.literal(1),
  modes: listOf(z.enum(modes)),
  /** Largest changes of a pixel, each in (0, 1]. */
  eps: listOf(z.number().gt(0).max(1)),
  seeds: listOf(z.int().nonnegative()),
  /** Epochs of the classifiers on clean images before there is an attacker, for each of the modes; 0 for given ones. */
  classifierEpochs: z.partialRecord(z.enum(modes), z.int().nonnegative()),
  ...common,
  /** Which of the cells this run has: every `count`-th, from the `index`-th on (from 1); null for all. */
  shard: z.strictObject({ index: Count, count: Count }).nullable(),
};
const hasEpochs = z.refine<Pick<z.infer<z.ZodObject<typeof run>>, 'modes' | 'classifierEpochs'>>(
  (config) => config.modes.every((mode) => config.classifierEpochs[mode] !== undefined),
  { path: ['classifierEpochs'], message: 'lacks the epochs of a mode' },
);
const hasDefence = z.refine<Pick<z.infer<z.ZodObject<typeof run>>, 'modes' | 'defence'>>(
  ({ modes: swept, defence }) => swept.includes('hardened') === (defence !== undefined),
  { path: ['defence'], message: 'must be there with mode hardened, and without it must not' },
);

/**
 * Everything that decides the numbers of a run: written to `config.json`, read back by `--resume`. A run has a cell for
 * each combination of mode, eps and seed. A setting that is not known is refused: the run could not be continued as it
 * was begun.
 */
export const RunConfig = z.strictObject(run).check(hasEpochs, hasDefence);
export type RunConfig = Readonly<z.infer<typeof RunConfig>>;

/** The same as a finished run tells it, which is only read. */
export const ToldConfig = z.object(run).check(hasEpochs, hasDefence);

/** One cell of a run: a mode, an eps and a seed, with what the run says of all its cells. */
export type CellConfig = Readonly<z.infer<z.ZodObject<typeof common>>> & {
  readonly mode: Mode;
  readonly eps: number;
  readonly seed: number;
  readonly classifierEpochs: number;
};

/** The cells of a run, in the order in which they are trained: by seed, then by mode, then by eps. */
export function cellsOf(config: RunConfig): readonly CellConfig[] {
  const { schema: _, modes: swept, eps, seeds, classifierEpochs, defence, shard, ...rest } = config;
  const cells = seeds.flatMap((seed) =>
    swept.flatMap((mode) =>
      eps.map((e): CellConfig => ({
        ...rest,
        ...(mode === 'hardened' && { defence: defence! }),
        mode,
        eps: e,
        seed,
        classifierEpochs: classifierEpochs[mode]!,
      })),
    ),
  );
  return shard ? cells.filter((__, i) => i % shard.count === shard.index - 1) : cells;
}

/** The folder of a cell within a run: `consecutive-eps0.16-seed1`. */
export const cellName = ({ mode, eps, seed }: Pick<CellConfig, 'mode' | 'eps' | 'seed'>): string =>
  `${mode}-eps${eps}-seed${seed}`;

/**
 * Whether a run has a second classifier, C2, that the attacker never sees. It has none where the attacker was trained
 * against a file (`against`) and no other file was named to measure transfer on: C2 is then C1's file.
 */
export const hasTransfer = ({ against, transfer }: Pick<CellConfig, 'against' | 'transfer'>): boolean =>
  !against || (transfer !== undefined && transfer.sha256 !== against.sha256);

/** The classifiers that a run measures: with a given classifier and none to transfer to, C2 is C1 once more. */
export const classifiersShown = (
  config: Pick<CellConfig, 'against' | 'transfer'>,
): readonly ('c1' | 'c2')[] => (hasTransfer(config) ? ['c1', 'c2'] : ['c1']);

/** Classifiers on clean images, trained once for all cells of a run that begin with them: those of one seed. */
export interface ClassifierConfig extends Pick<
  CellConfig,
  | 'seed'
  | 'clip'
  | 'architecture'
  | 'batchSize'
  | 'learningRate'
  | 'trainLimit'
  | 'testLimit'
  | 'data'
  | 'device'
  | 'threads'
  | 'targets'
  | 'readings'
> {
  /** Epochs after which cells begin, ascending; the last is the end. Empty where the classifiers are given. */
  readonly epochs: readonly number[];
  /** Under noise of each eps the classifiers are measured. */
  readonly eps: readonly number[];
}

/** The classifiers that these cells begin with: one configuration a seed, in the order of the cells. */
export function classifiersOf(cells: readonly CellConfig[]): readonly ClassifierConfig[] {
  const distinct = (numbers: readonly number[]): readonly number[] => [...new Set(numbers)];
  return distinct(cells.map(({ seed }) => seed)).map((seed) => {
    const own = cells.filter((cell) => cell.seed === seed);
    const { clip, architecture, batchSize, learningRate, trainLimit, testLimit } = own[0]!;
    const { data, device, threads, targets, readings: taken } = own[0]!;
    return {
      seed,
      clip,
      ...(architecture && { architecture }),
      batchSize,
      learningRate,
      trainLimit,
      testLimit,
      data,
      device,
      threads,
      ...(targets !== undefined && { targets }),
      ...(taken && { readings: taken }),
      epochs: distinct(own.map(({ classifierEpochs }) => classifierEpochs).filter((n) => n > 0)).toSorted(
        (a, b) => a - b,
      ),
      eps: distinct(own.map(({ eps }) => eps)).toSorted((a, b) => a - b),
    };
  });
}

/** The folder of the classifiers of a seed within a run: `classifiers-seed1`. */
export const classifiersName = ({ seed }: Pick<ClassifierConfig, 'seed'>): string =>
  `classifiers-seed${seed}`;

/** Ties a checkpoint to the configuration it was made with; fields in any order. */
export const configHash = (config: CellConfig | ClassifierConfig): string =>
  createHash('sha256')
    .update(
      JSON.stringify(config, (_, value: unknown) =>
        value !== null && typeof value === 'object' && !Array.isArray(value)
          ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
          : value,
      ),
    )
    .digest('hex');
