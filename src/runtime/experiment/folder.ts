import { appendFile, lstat, mkdir, open, readdir, readFile, realpath, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { loadCheckpoint, ofRun, type Checkpoint } from './checkpoint.ts';
import {
  cellName,
  cellsOf,
  classifiersName,
  classifiersOf,
  configHash,
  RunConfig,
  type CellConfig,
  type ClassifierConfig,
} from './config.ts';
import { confusionJson, confusionPath } from './confusion-file.ts';
import { readDocument } from '../document.ts';
import { InputError } from '../errors.ts';
import type { TrainedModels } from './scores.ts';
import { describeFsError, linkLatest, makeFolder, removeTemporaries, writeAtomic } from '../files.ts';
import { lockRun, type RunLock } from './lock.ts';
import { Result } from './result.ts';
import { loadHardening } from '../training/harden-checkpoint.ts';
import type { HardenCheckpoint, HardenRecord } from '../training/harden.ts';
import { ClassifierRecord, EpochRecord, type Confusions, classifierRecords } from './records.ts';

/** The paths of a run. */
export interface RunFolder {
  readonly path: string;
  readonly config: string;
  readonly metrics: string;
  readonly result: string;
}

/** The paths of a cell of a run. */
export interface CellFolder {
  readonly path: string;
  readonly c1: string;
  readonly c2: string;
  readonly attacker: string;
  readonly samples: string;
  readonly confusion: string;
  readonly checkpoint: string;
  /** The checkpoint of C1's hardening, of mode `hardened` alone. */
  readonly hardening: string;
}

/** Where a run keeps what. */
export const runFolder = (path: string): RunFolder => ({
  path,
  config: join(path, 'config.json'),
  metrics: join(path, 'metrics.jsonl'),
  result: join(path, 'result.json'),
});

/** Where a run at `path` keeps what is of one cell. */
export function cellFolder(path: string, config: Pick<CellConfig, 'mode' | 'eps' | 'seed'>): CellFolder {
  const cell = join(path, cellName(config));
  return {
    path: cell,
    c1: join(cell, 'classifier-c1.onnx'),
    c2: join(cell, 'classifier-c2.onnx'),
    attacker: join(cell, 'attacker.onnx'),
    samples: join(cell, 'samples.png'),
    confusion: confusionPath(cell),
    checkpoint: join(cell, 'checkpoint', 'state.safetensors'),
    hardening: join(cell, 'checkpoint', 'hardening.safetensors'),
  };
}

/**
 * The checkpoint of a run's classifiers of one seed, or the one after the given epochs, which stays for the cells that
 * begin with it.
 */
export function classifierCheckpoint(path: string, config: ClassifierConfig, epochs?: number): string {
  const isLast = epochs === undefined || epochs === config.epochs.at(-1);
  return join(
    path,
    classifiersName(config),
    'checkpoint',
    isLast ? 'state.safetensors' : `epoch${epochs}.safetensors`,
  );
}

/** A new run that this process has locked. */
export interface NewRun {
  readonly folder: RunFolder;
  readonly lock: RunLock;
}

/**
 * Makes a new run folder, locks it, and writes its configuration. A folder that is there and empty is taken, as after a
 * kill before the configuration was written.
 *
 * @throws InputError when something else of that name exists, or the folder cannot be made.
 */
export async function beginRun(path: string, config: RunConfig): Promise<NewRun> {
  await refuseExisting(path);
  try {
    await makeFolder(path);
  } catch (error) {
    throw new InputError((error as Error).message, { cause: error });
  }
  let lock: RunLock | undefined;
  try {
    lock = await lockRun(path);
    // once more: another process may have begun a run there in between
    await refuseExisting(path);
    const folder = runFolder(path);
    await writeAtomic(folder.config, `${JSON.stringify(config, null, 2)}\n`);
    return { folder, lock };
  } catch (error) {
    await lock?.release();
    // fails where another process has begun a run
    await rmdir(path).catch(() => {});
    throw error;
  }
}

/** Makes a new run folder as {@link beginRun} does, and does not keep it locked. */
export async function createRun(path: string, config: RunConfig): Promise<RunFolder> {
  const { folder, lock } = await beginRun(path, config);
  await lock.release();
  return folder;
}

/**
 * Makes a folder of a name that no other process gets: `path`, or with a number behind it where that exists.
 *
 * @returns its path.
 */
export async function reserveFolder(path: string): Promise<string> {
  await makeFolder(dirname(path));
  for (let i = 1; ; i++) {
    const name = i === 1 ? path : `${path}-${i}`;
    try {
      await mkdir(name);
      return name;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new InputError(describeFsError(error, `cannot make the folder ${name}`), { cause: error });
    }
  }
}

/** The link to the last finished run in a folder called `runs`. */
function latestLink(path: string): string | null {
  const parent = dirname(resolve(path));
  return basename(parent) === 'runs' ? join(parent, 'latest') : null;
}

/** Whether a run can be begun in a folder that exists: nothing is in it but what a kill leaves before there is a run. */
export async function isEmptyRun(path: string): Promise<boolean> {
  const entries = await readdir(path).catch(() => null);
  return entries !== null && entries.every((name) => /^(run\.lock|config\.json\.)/.test(name));
}

/** Throws InputError when `path` exists, because a run is never written over, or is the name of the link. */
export async function refuseExisting(path: string): Promise<void> {
  if (latestLink(path) === resolve(path)) {
    throw new InputError(`${path} is the link to the last finished run; choose another --out`);
  }
  const found = await lstat(path).catch(() => null);
  if (found && !(found.isDirectory() && (await isEmptyRun(path)))) {
    throw new InputError(
      (await isRun(path))
        ? `run folder ${path} exists; choose another --out, or resume it with --resume ${path}`
        : `${path} exists and is not a run; choose another --out`,
    );
  }
}

/** Whether there is a config.json, as each run has. */
export const isRun = async (path: string): Promise<boolean> =>
  (await stat(join(path, 'config.json')).catch(() => null))?.isFile() ?? false;

/** Reads a run's configuration. Throws InputError when the folder is no run or its config.json is damaged. */
export async function openRun(
  path: string,
): Promise<{ readonly folder: RunFolder; readonly config: RunConfig }> {
  const found = await stat(path).catch(() => null);
  if (!found?.isDirectory()) {
    const problem = found ? 'is a file' : 'does not exist';
    throw new InputError(`run folder ${path} ${problem}; see what is in ${dirname(path)}`);
  }
  const folder = runFolder(path);
  const text = await readFile(folder.config, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new InputError(
      error.code === 'ENOENT'
        ? `${path} is not a run: it has no config.json; name a folder that sparring train made`
        : describeFsError(error, `cannot read ${folder.config}`),
    );
  });
  return { folder, config: readDocument(folder.config, text, RunConfig) };
}

/** Reads a run's result; null while no cell is finished. Throws InputError when the file is damaged. */
export async function readResult({ result }: Pick<RunFolder, 'result'>): Promise<Result | null> {
  const text = await readFile(result, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new InputError(describeFsError(error, `cannot read ${result}`));
  });
  return text === null ? null : readDocument(result, text, Result);
}

/** How far a run has come: what is finished, and where each training that is not resumes. */
export interface RunState {
  readonly result: Result | null;
  /** By the name of their folder. */
  readonly classifiers: ReadonlyMap<string, Checkpoint<ClassifierRecord>>;
  readonly cells: ReadonlyMap<string, Checkpoint>;
  /** Of cells of mode `hardened` that are not finished: how far the hardening of C1 is, by the name of the cell. */
  readonly hardenings: ReadonlyMap<string, HardenCheckpoint>;
}

/** Where a new run stands. */
export const atTheBeginning: RunState = {
  result: null,
  classifiers: new Map(),
  cells: new Map(),
  hardenings: new Map(),
};

/**
 * Reads how far a run has come, makes `metrics.jsonl` what its checkpoints say it is, and removes what a kill left
 * half-written.
 *
 * @throws InputError when a checkpoint or the result cannot be used.
 */
export async function restoreRun(folder: RunFolder, config: RunConfig): Promise<RunState> {
  const { path } = folder;
  const result = await readResult(folder);
  const all = cellsOf(config);
  const classifiers = new Map<string, Checkpoint<ClassifierRecord>>();
  const cells = new Map<string, Checkpoint>();
  const hardenings = new Map<string, HardenCheckpoint>();
  const lines: string[] = [];
  for (const own of classifiersOf(all)) {
    const file = classifierCheckpoint(path, own);
    const checkpoint = await loadCheckpoint(file, configHash(own), ClassifierRecord);
    if (checkpoint) classifiers.set(classifiersName(own), checkpoint);
    else if (own.epochs.length > 0) continue;
    const mine = all.filter(({ seed }) => seed === own.seed);
    checkpoint?.position.records.forEach((_, i) => lines.push(...classifierLines(checkpoint, i, mine)));
    for (const cell of mine) {
      const name = cellName(cell);
      const finished = result?.runs.find((run) => run.folder === name);
      const { checkpoint: ownFile, hardening: hardeningFile } = cellFolder(path, cell);
      const from = finished ? null : await loadCheckpoint(ownFile, configHash(cell), EpochRecord);
      if (from) cells.set(name, from);
      const hardening =
        finished || cell.mode !== 'hardened'
          ? null
          : await loadHardening(hardeningFile, configHash(cell), ofRun);
      if (hardening) hardenings.set(name, hardening);
      const hardened = finished?.hardening ?? hardening?.records ?? [];
      lines.push(...hardened.map((record) => hardeningLine(cell, record)));
      const records = finished?.epochs ?? from?.position.records ?? [];
      lines.push(...records.filter(({ phase }) => phase === 'attacker').map((r) => metricsLine(cell, r)));
    }
  }
  for (const file of filesOf(folder, all)) await removeTemporaries(file);
  await writeAtomic(folder.metrics, lines.join(''));
  return { result, classifiers, cells, hardenings };
}

const filesOf = ({ path, ...files }: RunFolder, cells: readonly CellConfig[]): readonly string[] => [
  ...Object.values(files),
  ...classifiersOf(cells).flatMap((own) =>
    own.epochs.map((epochs) => classifierCheckpoint(path, own, epochs)),
  ),
  ...cells.flatMap((cell) => Object.values(cellFolder(path, cell))),
];

/** One epoch of a cell as a line of `metrics.jsonl`. */
const metricsLine = (cell: CellConfig, record: EpochRecord): string =>
  `${JSON.stringify({ cell: cellName(cell), ...record })}\n`;

/** One epoch of the hardening of a cell's C1 as a line of `metrics.jsonl`. */
const hardeningLine = (cell: CellConfig, { epoch, train, ...record }: HardenRecord): string =>
  `${JSON.stringify({ cell: cellName(cell), phase: 'hardening', epoch, train: { c1: train }, ...record })}\n`;

/** An epoch of classifiers, by index, as lines of `metrics.jsonl`: one for each cell that has it as its own. */
const classifierLines = (
  checkpoint: Checkpoint<ClassifierRecord>,
  index: number,
  cells: readonly CellConfig[],
): readonly string[] =>
  cells
    .filter(({ classifierEpochs }) => index < classifierEpochs)
    .map((cell) => metricsLine(cell, classifierRecords(checkpoint, cell.eps)[index]!));

/** Adds the last epoch of classifiers to the metrics of the cells that begin with them. */
export const recordClassifierEpoch = (
  folder: RunFolder,
  checkpoint: Checkpoint<ClassifierRecord>,
  cells: readonly CellConfig[],
): Promise<void> =>
  append(folder.metrics, classifierLines(checkpoint, checkpoint.position.records.length - 1, cells).join(''));

/** Adds an epoch of a cell to the metrics. Its checkpoint goes first: after a kill the line is made from it. */
export const recordEpoch = (folder: RunFolder, cell: CellConfig, record: EpochRecord): Promise<void> =>
  append(folder.metrics, metricsLine(cell, record));

/** Adds an epoch of the hardening of a cell's C1 to the metrics. */
export const recordHardening = (folder: RunFolder, cell: CellConfig, record: HardenRecord): Promise<void> =>
  append(folder.metrics, hardeningLine(cell, record));

async function append(path: string, text: string): Promise<void> {
  try {
    await appendFile(path, text);
    const file = await open(path);
    await file.sync();
    await file.close();
  } catch (error) {
    throw new Error(describeFsError(error, `cannot write ${path}`), { cause: error });
  }
}

/**
 * Writes a cell's models, figure and confusion matrices, then the result that has the cell, so that where it is named all
 * of it is.
 *
 * @param confusions absent where a checkpoint of an older version holds none.
 */
export async function finishCell(
  folder: RunFolder,
  cell: CellFolder,
  models: Required<TrainedModels>,
  samples: Uint8Array,
  confusions: Confusions | undefined,
  result: Result,
): Promise<void> {
  await makeFolder(cell.path);
  await writeAtomic(cell.c1, models.c1);
  await writeAtomic(cell.c2, models.c2);
  await writeAtomic(cell.attacker, models.attacker);
  await writeAtomic(cell.samples, samples);
  const own = result.runs.find(({ folder: name }) => name === basename(cell.path));
  if (confusions && own) await writeAtomic(cell.confusion, confusionJson(own.models, confusions));
  await writeAtomic(folder.result, `${JSON.stringify(result, null, 2)}\n`);
}

/**
 * Makes `latest` beside a finished run in a folder called `runs` lead to it. A run on part of the data does not replace
 * one on all of it. Never throws: the link is a convenience, and the run is finished without it.
 *
 * @returns why there is no link to the run, in one line; null where there is one, or none is wanted.
 */
export async function finishRun({ path }: RunFolder, config: RunConfig): Promise<string | null> {
  const link = latestLink(path);
  // A run that is resumed through the link has it already.
  if (link === null || link === resolve(path)) return null;
  const shown = relative('.', link);
  try {
    if ((await lstat(link).catch(() => null))?.isSymbolicLink() === false) {
      return `${shown} is not a link, so it does not lead to this run; remove it, and the next run makes one`;
    }
    const before = isLimited(config) ? await openRun(link).catch(() => null) : null;
    if (before && !isLimited(before.config) && (await realpath(link)) !== (await realpath(path))) {
      return `${shown} still leads to ${basename(await realpath(link))}, a run on all the data`;
    }
    await linkLatest(path, link);
    return null;
  } catch (error) {
    return describeFsError((error as Error).cause ?? error, `${shown} does not lead to this run`);
  }
}

const isLimited = ({ trainLimit, testLimit }: RunConfig): boolean =>
  trainLimit !== null || testLimit !== null;
