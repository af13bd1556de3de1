import { trainStep, type Program, type TrainStep } from '../../builder/index.ts';
import type { ThreatModel } from '../../models/networks/generator.ts';
import {
  attackerEval,
  attackerStep,
  classifierEval,
  classifierStep,
  type TrainOptions,
} from '../../models/programs.ts';
import {
  cellFolder,
  cellName,
  cellsOf,
  classifierCheckpoint,
  ClassifierRecord,
  classifiersOf,
  configHash,
  EpochRecord,
  initialState,
  InputError,
  loadCheckpoint,
  openRun,
  type CellConfig,
  type Network,
  type Tensors,
} from '../../runtime/index.ts';
import { presets } from '../options.ts';

export type Settings = TrainOptions & ThreatModel;
export type Model = 'classifier' | 'attacker';

/** The training step of a network, and the program that measures it. */
export const networkFor = (
  model: Model,
  settings: Settings,
): { readonly step: TrainStep; readonly evaluation: Program } =>
  model === 'classifier'
    ? { step: classifierStep(settings), evaluation: classifierEval(settings.architecture) }
    : { step: attackerStep(settings), evaluation: attackerEval(settings) };

/** Where an export begins. */
export interface Weights {
  readonly settings: Settings;
  /** State of the trained network's program. */
  readonly state: Tensors;
  /** Weights of the classifier that an attacker is trained against. */
  readonly frozen: Tensors;
  /** In words, for the person who exports. */
  readonly what: string;
}

/** The flags of `sparring export` that say where to begin. */
export interface Asked {
  readonly model: Model;
  readonly network: 'c1' | 'c2';
  readonly initial?: true;
  readonly cell?: string;
  readonly seed?: number;
  readonly eps?: number;
  readonly bound?: ThreatModel['bound'];
  readonly clip: boolean;
}

/** The first weights of a seed, as `sparring train` draws them. */
export function firstWeights({ model, network, initial, cell, seed = 1, ...asked }: Asked): Weights {
  if (initial) throw new InputError('--initial goes with --run DIR; without, the weights are the first ones');
  if (cell !== undefined) throw new InputError('--cell goes with --run DIR');
  const { batchSize, learningRate, bound } = presets.quick;
  const settings = {
    batchSize,
    learningRate,
    bound: asked.bound ?? bound,
    eps: asked.eps ?? 0.16,
    clip: asked.clip,
  };
  const classifier = firstState('classifier', settings, seed, network);
  const what = `first weights of seed ${seed}`;
  if (model === 'classifier') return { settings, state: classifier, frozen: new Map(), what };
  return {
    settings,
    state: firstState('attacker', settings, seed, 'attacker'),
    frozen: classifier,
    what: `${what}, against an untrained classifier (--run DIR gives a trained one)`,
  };
}

const firstState = (model: Model, settings: Settings, seed: number, network: Network): Tensors =>
  initialState(trainStep(networkFor(model, settings).step).metadata, [seed, network]);

/** What a run has trained so far in one of its cells. Throws InputError where it has not, or a flag contradicts it. */
export async function runWeights(
  path: string,
  { model, network, initial, ...asked }: Asked,
): Promise<Weights> {
  const { seed, eps, bound, clip } = asked;
  const given = { '--seed': seed, '--eps': eps, '--bound': bound, '--no-clip': clip ? undefined : true };
  const clash = Object.entries(given).find(([, value]) => value !== undefined);
  if (clash) throw new InputError(`${clash[0]} is the run's; leave it out, or leave out --run`);
  const { config } = await openRun(path);
  const cells = cellsOf(config);
  const cell = chooseCell(path, cells, asked.cell);
  if (model === 'attacker' && cell.readings?.length) {
    throw new InputError(
      `${path}: ${cellName(cell)} reads the paper as ${cell.readings.join(', ')}, which the exported step of A does not; ` +
        'export that of a run without --reading',
    );
  }
  const states = await statesOf(path, cell, cells);
  const need = (name: Network): Tensors => {
    const state = states.get(name);
    if (!state) {
      throw new InputError(
        `${path}: ${cellName(cell)} has no trained ${name} yet; resume the run, or leave out --run`,
      );
    }
    return state;
  };
  const trained: Network = model === 'attacker' ? 'attacker' : network;
  const against = model === 'attacker' ? `, against its trained ${network}` : '';
  return {
    settings: cell,
    state: initial ? firstState(model, cell, cell.seed, trained) : need(trained),
    frozen: model === 'attacker' ? need(network) : new Map(),
    what: `${initial ? 'first' : 'trained'} weights of ${trained} in ${path}, ${cellName(cell)}${against}`,
  };
}

function chooseCell(path: string, cells: readonly CellConfig[], name: string | undefined): CellConfig {
  const names = cells.map(cellName).join(', ');
  if (name === undefined) {
    if (cells.length === 1) return cells[0]!;
    throw new InputError(`${path} has ${cells.length} cells; say which by --cell: ${names}`);
  }
  const found = cells.find((cell) => cellName(cell) === name);
  if (!found) throw new InputError(`${path} has no cell ${name}; it has ${names}`);
  return found;
}

/** The cell's own checkpoint, or before it begins that of the classifiers it begins with. */
async function statesOf(
  path: string,
  cell: CellConfig,
  cells: readonly CellConfig[],
): Promise<ReadonlyMap<Network, Tensors>> {
  const { checkpoint } = cellFolder(path, cell);
  const begun = await loadCheckpoint(checkpoint, configHash(cell), EpochRecord);
  if (begun) return begun.states;
  const classifiers = classifiersOf(cells).find(({ seed }) => seed === cell.seed)!;
  const file = classifierCheckpoint(path, classifiers);
  const states = new Map((await loadCheckpoint(file, configHash(classifiers), ClassifierRecord))?.states);
  // what a hardened cell's C1 was before is not the cell's
  if (cell.mode === 'hardened') states.delete('c1');
  return states;
}
