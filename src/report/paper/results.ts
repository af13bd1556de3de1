import { cellsOf, modes, type CellConfig, type Mode } from '../../runtime/experiment/config.ts';
import { classifiersShown } from '../../runtime/experiment/config.ts';
import { InputError } from '../../runtime/errors.ts';
import type { CellResult, Environment, Result } from '../../runtime/experiment/result.ts';

export type ClassifierName = 'c1' | 'c2';

/** One trained cell, as a report sees it: its scores, and what they came from. */
export interface Cell extends CellResult {
  readonly config: CellConfig;
  readonly environment: Environment;
  /** What the cell was read from, to be named in messages and in the report. */
  readonly source: string;
}

/**
 * The cells of a result that was read from `source`.
 *
 * @throws InputError when the result holds a cell that is none of its configuration.
 */
export function cellsIn({ config, environment, runs }: Result, source: string): readonly Cell[] {
  const configs = cellsOf({ ...config, shard: null });
  return runs.map((run) => {
    const own = configs.find(
      ({ mode, eps, seed }) => mode === run.mode && eps === run.eps && seed === run.seed,
    );
    if (own && !run.final.c1.attacked) {
      throw new InputError(
        `${source}: ${run.folder} has no attacked accuracy; put back the file that the run wrote`,
      );
    }
    if (own) return { ...run, config: own, environment, source };
    throw new InputError(
      `${source}: ${run.folder} is no cell of its config; put back the file that the run wrote`,
    );
  });
}

/** What C1 was hardened by; '' where it was not. */
const defenceOf = ({ config }: Cell): string => config.defence?.method ?? '';

/** A word of a cell, and by what its C1 was hardened: `hardened (pgd)`. Runs of two defences have cells of the same name. */
const withDefence = (word: string, cell: Cell): string =>
  cell.config.defence ? `${word} (${defenceOf(cell)})` : word;

/** How C1 of a cell was trained: `alternating`, `hardened (pgd)`. */
export const trainingName = (cell: Cell): string => withDefence(cell.mode, cell);

/** What a report calls a cell: `alternating-eps0.1-seed1`, `hardened-eps0.1-seed1 (pgd)`. */
export const cellTitle = (cell: Cell): string => withDefence(cell.folder, cell);

/** The order of trainings: that of the modes, and hardened ones by their defence. */
const byTraining = (a: Cell, b: Cell): number =>
  modes.indexOf(a.mode) - modes.indexOf(b.mode) || defenceOf(a).localeCompare(defenceOf(b));

/** The cells that can be set side by side: the unit that figures and claims are about. */
export interface ThreatModel {
  readonly bound: string;
  readonly clip: boolean;
  /** The classifiers' network; `paper` for the paper's. */
  readonly architecture: string;
  /** `mnist` or a folder. */
  readonly data: string;
  /** What the attacker was trained against where it is not C1 of the run alone: `against x.onnx`, `3 targets`. */
  readonly against: string | null;
  /** How the paper was read otherwise than by us; null where it was not: `batch-statistics, dcgan`. */
  readonly readings: string | null;
  readonly cells: readonly Cell[];
}

/** The threat model of a cell. */
export const threatOf = ({ bound, clip, config }: Cell): Omit<ThreatModel, 'cells'> => ({
  bound,
  clip,
  architecture: config.architecture ?? 'paper',
  data: config.data.source,
  against: config.against
    ? `against ${config.against.source}`
    : (config.targets ?? 1) > 1
      ? `${config.targets} targets`
      : null,
  readings: config.readings?.toSorted().join(', ') || null,
});

/**
 * Cells by threat model, the paper's first: unclipped, on its own network and MNIST. Within each they are in order of
 * training, eps and seed.
 */
export function threatModels(cells: readonly Cell[]): readonly ThreatModel[] {
  const rank = (cell: Cell): string => {
    const { bound, clip, architecture, data, against, readings } = threatOf(cell);
    const others = [
      readings !== null,
      against !== null,
      data !== 'mnist',
      architecture !== 'paper',
      clip,
      bound !== 'tanh',
    ];
    return JSON.stringify([others.map(Number).join(''), readings, against, data, architecture, bound]);
  };
  const order = (a: Cell, b: Cell): number => byTraining(a, b) || a.eps - b.eps || a.seed - b.seed;
  return [...new Set(cells.map(rank))].sort().map((key) => {
    const members = cells.filter((cell) => rank(cell) === key).sort(order);
    return { ...threatOf(members[0]!), cells: members };
  });
}

/** The classifiers that cells measure: C1 alone where one was given, and none to transfer to. */
export const classifiersOf = (cells: readonly Cell[]): readonly ClassifierName[] =>
  cells.every(({ config }) => classifiersShown(config).length === 1) ? ['c1'] : ['c1', 'c2'];

/** A threat model in a few words: `unclipped, tanh bound`, and the network and data where they are not the paper's. */
export const threatName = ({
  clip,
  bound,
  architecture,
  data,
  against,
  readings,
}: Omit<ThreatModel, 'cells'>): string =>
  [
    clip ? 'clipped' : 'unclipped',
    `${bound} bound`,
    ...(architecture === 'paper' ? [] : [`network ${architecture}`]),
    ...(data === 'mnist' ? [] : [`data ${data}`]),
    ...(against === null ? [] : [against]),
    ...(readings === null ? [] : [`read with ${readings}`]),
  ].join(', ');

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
