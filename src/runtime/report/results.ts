import { z } from 'zod';

const Scores = z.object({ accuracy: z.number().min(0).max(1), loss: z.number() });
const ClassifierScores = z.object({ clean: Scores, noise: Scores, attacked: Scores.optional() });
const Epoch = z.object({
  phase: z.string(),
  epoch: z.int().positive(),
  c1: ClassifierScores,
  c2: ClassifierScores,
});

const CellResult = z.object({
  mode: z.enum(['consecutive', 'alternating']),
  eps: z.number().positive(),
  bound: z.string(),
  clip: z.boolean(),
  seed: z.int(),
  folder: z.string(),
  models: z.record(z.string(), z.string()),
  epochs: z.array(Epoch),
  final: z.object({ c1: ClassifierScores, c2: ClassifierScores }),
});

const Config = z.object({
  batchSize: z.number(),
  classifierEpochs: z.union([z.number(), z.record(z.string(), z.number())]),
  attackerEpochs: z.number(),
  learningRate: z.number(),
  trainLimit: z.number().nullable(),
  testLimit: z.number().nullable(),
  data: z.object({ source: z.string(), sha256: z.string() }),
  device: z.string(),
  threads: z.number(),
});

const Environment = z.object({
  onnxruntime: z.string(),
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  sparring: z.string(),
  commit: z.string().nullable(),
  seconds: z.number(),
});

/** `result.json`, as far as a report uses it. */
export const Result = z.object({
  schema: z.literal(1),
  config: Config,
  environment: Environment,
  runs: z.array(CellResult),
});

export type Mode = 'consecutive' | 'alternating';
export type ClassifierName = 'c1' | 'c2';
export type Scores = Readonly<z.infer<typeof Scores>>;

/** One trained cell, as a report sees it: its scores, and what they came from. */
export interface Cell extends Readonly<z.infer<typeof CellResult>> {
  readonly config: Omit<Readonly<z.infer<typeof Config>>, 'classifierEpochs'> & {
    readonly classifierEpochs: number;
  };
  readonly environment: Readonly<z.infer<typeof Environment>>;
  /** What the cell was read from, to be named in messages and in the report. */
  readonly source: string;
}

/** The cells of a result that was read from `source`. */
export const cellsOf = (
  { config, environment, runs }: z.infer<typeof Result>,
  source: string,
): readonly Cell[] =>
  runs.map((run) => {
    const epochs = config.classifierEpochs;
    const classifierEpochs = typeof epochs === 'number' ? epochs : (epochs[run.mode] ?? 0);
    return { ...run, config: { ...config, classifierEpochs }, environment, source };
  });

/** The cells that were measured under one threat model, the unit that figures and claims are about. */
export interface ThreatModel {
  readonly bound: string;
  readonly clip: boolean;
  readonly cells: readonly Cell[];
}

/** The paper's own threat model: image + perturbation as it is. */
export const isPapers = ({ clip }: Pick<ThreatModel, 'clip'>): boolean => !clip;

/** Cells by threat model, unclipped (the paper's) first; within each by mode, eps and seed. */
export function threatModels(cells: readonly Cell[]): readonly ThreatModel[] {
  const rank = ({ bound, clip }: Pick<Cell, 'bound' | 'clip'>): string =>
    `${Number(clip)} ${Number(bound !== 'tanh')} ${bound}`;
  const order = (a: Cell, b: Cell): number =>
    Number(a.mode === 'alternating') - Number(b.mode === 'alternating') || a.eps - b.eps || a.seed - b.seed;
  return [...new Set(cells.map(rank))].sort().map((key) => {
    const members = cells.filter((cell) => rank(cell) === key).sort(order);
    const { bound, clip } = members[0]!;
    return { bound, clip, cells: members };
  });
}

/** The cells of one mode and eps, over all seeds. */
export const cellsAt = (cells: readonly Cell[], mode: Mode, eps: number): readonly Cell[] =>
  cells.filter((cell) => cell.mode === mode && cell.eps === eps);

/** Test images that accuracies are fractions of; null where the result does not say. */
export const testImages = ({ config }: Cell): number | null =>
  config.testLimit ?? (config.data.source === 'mnist' ? 10_000 : null);

/** Training images of an epoch; null where the result does not say. */
export const trainImages = ({ config }: Cell): number | null =>
  config.trainLimit ?? (config.data.source === 'mnist' ? 60_000 : null);

/** The scores of the epochs in which there was an attacker. */
export const attackedEpochs = (cell: Cell) =>
  cell.epochs.flatMap((epoch) =>
    epoch.c1.attacked && epoch.c2.attacked
      ? [{ epoch: epoch.epoch, c1: epoch.c1.attacked, c2: epoch.c2.attacked }]
      : [],
  );
