import { ClassifierRecord, type EpochRecord } from './records.ts';
import { loadCheckpoint, saveCheckpoint, type Checkpoint } from './checkpoint.ts';
import {
  cellName,
  cellsOf,
  classifiersName,
  classifiersOf,
  configHash,
  type CellConfig,
  type ClassifierConfig,
  type RunConfig,
} from './config.ts';
import type { StoredSource } from '../data/source.ts';
import { InputError } from '../errors.ts';
import { cellResult, type CellResult, type Environment, type Result } from './result.ts';
import {
  cellFolder,
  classifierCheckpoint,
  finishCell,
  finishRun,
  recordClassifierEpoch,
  recordEpoch,
  recordHardening,
  type RunFolder,
  type RunState,
} from './folder.ts';
import { hardenC1, hardenedWeights } from './hardening.ts';
import type { TrainedModels } from './scores.ts';
import { saveHardening } from '../training/harden-checkpoint.ts';
import type { HardenRecord } from '../training/harden.ts';
import { modelsOf, trainCell, trainClassifiers, type Programs, type Progress } from './train.ts';

/** What happens during a run, in order. `training` is the folder of the cell, or of the classifiers that it begins with. */
export type SweepEvent =
  | (Extract<Progress, { kind: 'step' | 'evaluate' }> & { readonly training: string })
  | { readonly kind: 'cell'; readonly result: CellResult }
  /** The last event after an abort, or when a session failed: `error` says how. The checkpoint `saved` holds all. */
  | { readonly kind: 'interrupted'; readonly saved: string; readonly error?: Error }
  /** `note` says why `runs/latest` does not lead to the run, where it should. */
  | { readonly kind: 'done'; readonly result: Result; readonly note?: string };

export interface SweepOptions {
  readonly folder: RunFolder;
  readonly config: RunConfig;
  readonly train: StoredSource;
  readonly test: StoredSource;
  readonly programsFor: (cell: CellConfig) => Programs;
  readonly environment: () => Promise<Environment>;
  /** Makes the picture of a finished cell's samples, a PNG. */
  readonly draw: (
    test: StoredSource,
    models: Required<TrainedModels>,
    cell: CellConfig,
    scores: EpochRecord['c1'],
  ) => Promise<Uint8Array>;
  readonly standing: RunState;
  readonly signal?: AbortSignal;
}

/**
 * Trains the cells of a run one after the other, and before those of a seed the classifiers that they begin with, which
 * are the same for all. Epochs, checkpoints, models and results go into the run's folder as they come; what is there
 * already is not done again. A run that is killed at any moment and resumed is reproducible.
 */
export async function* sweep(options: SweepOptions): AsyncGenerator<SweepEvent, void> {
  const { config, folder, standing } = options;
  const cells = cellsOf(config);
  let runs: readonly CellResult[] = standing.result?.runs ?? [];
  let result = standing.result;
  for (const classifiers of classifiersOf(cells)) {
    const mine = cells.filter(({ seed }) => seed === classifiers.seed);
    const open = mine.filter((cell) => !runs.some((run) => run.folder === cellName(cell)));
    if (open.length === 0) continue;
    if (yield* runClassifiers(options, classifiers, mine)) return;
    for (const cell of open) {
      const begin = yield* beginCell(options, classifiers, cell);
      if (!begin) return;
      const end = yield* runCell(options, begin.classifiers, cell);
      if (!end) return;
      const { checkpoint, programs } = end;
      const { records } = checkpoint.position;
      const models = modelsOf(checkpoint.states, programs);
      const samples = await options.draw(options.test, models, cell, records.at(-1)!.c1);
      const own = cellResult(cell, models, records, begin.hardening);
      runs = cells.flatMap((c) => [...runs, own].filter((run) => run.folder === cellName(c)));
      result = { schema: 1, config, environment: await options.environment(), runs: [...runs] };
      const { confusions } = checkpoint;
      await finishCell(folder, cellFolder(folder.path, cell), models, samples, confusions, result);
      yield { kind: 'cell', result: own };
    }
  }
  const note = await finishRun(folder, config);
  yield { kind: 'done', result: result!, ...(note !== null && { note }) };
}

/** True when it was interrupted. */
async function* runClassifiers(
  { folder, train, test, programsFor, standing, signal }: SweepOptions,
  config: ClassifierConfig,
  cells: readonly CellConfig[],
): AsyncGenerator<SweepEvent, boolean> {
  const training = classifiersName(config);
  const from = standing.classifiers.get(training) ?? null;
  if (from?.position.records.length === config.epochs.at(-1)) return false;
  const save = async (checkpoint: Checkpoint<ClassifierRecord>, epochs?: number): Promise<string> => {
    const path = classifierCheckpoint(folder.path, config, epochs);
    await saveCheckpoint(path, checkpoint, configHash(config));
    return path;
  };
  const programs = programsFor(cells[0]!);
  for await (const event of trainClassifiers({
    config,
    train,
    test,
    programs,
    from,
    ...(signal && { signal }),
  })) {
    switch (event.kind) {
      case 'step':
      case 'evaluate':
        yield { ...event, training };
        break;
      case 'epoch':
        if (config.epochs.includes(event.record.epoch)) await save(event.checkpoint, event.record.epoch);
        await save(event.checkpoint);
        await recordClassifierEpoch(folder, event.checkpoint, cells);
        break;
      case 'interrupted':
        yield interrupted(await save(event.checkpoint), event.error);
        return true;
      case 'done':
        break;
      default:
        event satisfies never;
    }
  }
  return false;
}

/** What a cell begins with. */
interface Beginning {
  /** Null where they are given. */
  readonly classifiers: Checkpoint<ClassifierRecord> | null;
  /** The epochs in which C1 was hardened; null in other modes. */
  readonly hardening: readonly HardenRecord[] | null;
}

/** What a cell begins with, once C1 is hardened where its mode says so; null when that was interrupted. */
async function* beginCell(
  { folder, train, programsFor, standing, signal }: SweepOptions,
  own: ClassifierConfig,
  config: CellConfig,
): AsyncGenerator<SweepEvent, Beginning | null> {
  const classifiers = await classifiersAfter(folder, own, config.classifierEpochs);
  if (config.mode !== 'hardened') return { classifiers, hardening: null };
  const training = cellName(config);
  const { hardening: path } = cellFolder(folder.path, config);
  const { hardening, classifierModel } = programsFor(config);
  const work = hardenC1({
    config,
    train,
    programs: { ...hardening!, classifierModel },
    c1: classifiers!.states.get('c1')!,
    from: standing.hardenings.get(training) ?? null,
    ...(signal && { signal }),
  });
  for await (const event of work) {
    switch (event.kind) {
      case 'step':
        yield { ...event, networks: ['c1'], training };
        break;
      case 'judge':
        yield { kind: 'evaluate', done: event.done, total: event.total, training };
        break;
      case 'epoch':
        await saveHardening(path, event.checkpoint, configHash(config));
        await recordHardening(folder, config, event.record);
        break;
      case 'interrupted':
        await saveHardening(path, event.checkpoint, configHash(config));
        yield interrupted(path, event.error);
        return null;
      case 'done': {
        const { checkpoint } = event;
        const states = new Map([...classifiers!.states, ['c1', hardenedWeights(checkpoint)] as const]);
        return { classifiers: { ...classifiers!, states }, hardening: checkpoint.records };
      }
      default:
        event satisfies never;
    }
  }
  return null;
}

/** The end of a cell's training; null when it was interrupted. */
async function* runCell(
  { folder, train, test, programsFor, standing, signal }: SweepOptions,
  classifiers: Beginning['classifiers'],
  config: CellConfig,
): AsyncGenerator<SweepEvent, { readonly checkpoint: Checkpoint; readonly programs: Programs } | null> {
  const training = cellName(config);
  const { checkpoint: path } = cellFolder(folder.path, config);
  const programs = programsFor(config);
  const from = standing.cells.get(training) ?? null;
  const options = {
    config,
    train,
    test,
    programs,
    from,
    classifiers,
    ...(signal && { signal }),
  };
  for await (const event of trainCell(options)) {
    switch (event.kind) {
      case 'step':
      case 'evaluate':
        yield { ...event, training };
        break;
      case 'epoch':
        await saveCheckpoint(path, event.checkpoint, configHash(config));
        await recordEpoch(folder, config, event.record);
        break;
      case 'interrupted':
        await saveCheckpoint(path, event.checkpoint, configHash(config));
        yield interrupted(path, event.error);
        return null;
      case 'done':
        return { checkpoint: event.checkpoint, programs };
      default:
        event satisfies never;
    }
  }
  return null;
}

/** The classifiers that a cell begins with; null where they are given. */
async function classifiersAfter(
  { path }: RunFolder,
  config: ClassifierConfig,
  epochs: number,
): Promise<Checkpoint<ClassifierRecord> | null> {
  if (epochs === 0) return null;
  const file = classifierCheckpoint(path, config, epochs);
  const checkpoint = await loadCheckpoint(file, configHash(config), ClassifierRecord);
  if (checkpoint) return checkpoint;
  throw new InputError(`${file} is gone; remove its folder to train these classifiers again`);
}

const interrupted = (saved: string, error: Error | undefined): SweepEvent => ({
  kind: 'interrupted',
  saved,
  ...(error && { error }),
});
