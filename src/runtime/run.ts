import { createHash } from 'node:crypto';
import { appendFile, lstat, mkdir, open, readFile, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { makeFolder, saveCheckpoint, type Checkpoint, type EpochRecord } from './checkpoint.ts';
import { cellName, RunConfig } from './config.ts';
import { InputError } from './errors.ts';
import type { Contestants } from './evaluate.ts';
import { describeFsError, linkLatest, removeTemporaries, writeAtomic } from './files.ts';

/** The paths of a run with one cell. */
export interface RunFolder {
  readonly path: string;
  readonly config: string;
  readonly metrics: string;
  readonly result: string;
  readonly cell: string;
  readonly c1: string;
  readonly c2: string;
  readonly attacker: string;
  readonly samples: string;
  readonly checkpoint: string;
}

/** Where a run keeps what. */
export function runFolder(path: string, config: RunConfig): RunFolder {
  const cell = join(path, cellName(config));
  return {
    path,
    config: join(path, 'config.json'),
    metrics: join(path, 'metrics.jsonl'),
    result: join(path, 'result.json'),
    cell,
    c1: join(cell, 'classifier-c1.onnx'),
    c2: join(cell, 'classifier-c2.onnx'),
    attacker: join(cell, 'attacker.onnx'),
    samples: join(cell, 'samples.png'),
    checkpoint: join(cell, 'checkpoint', 'state.safetensors'),
  };
}

/** Makes a new run folder with its configuration. Throws InputError when something of that name exists. */
export async function createRun(path: string, config: RunConfig): Promise<RunFolder> {
  await refuseExisting(path);
  const folder = runFolder(path, config);
  try {
    await makeFolder(dirname(path));
    await mkdir(path);
  } catch (error) {
    const line = (error as NodeJS.ErrnoException).code
      ? describeFsError(error, `cannot make the folder ${path}`)
      : (error as Error).message;
    throw new InputError(line, { cause: error });
  }
  try {
    await writeAtomic(folder.config, `${JSON.stringify(config, null, 2)}\n`);
  } catch (error) {
    await rmdir(path);
    throw error;
  }
  return folder;
}

/** The link to the last finished run in a folder called `runs`. */
function latestLink(path: string): string | null {
  const parent = dirname(resolve(path));
  return basename(parent) === 'runs' ? join(parent, 'latest') : null;
}

/** Throws InputError when `path` exists, because a run is never written over, or is the name of the link. */
export async function refuseExisting(path: string): Promise<void> {
  if (latestLink(path) === resolve(path)) {
    throw new InputError(`${path} is the link to the last finished run; choose another --out`);
  }
  const found = await lstat(path).catch(() => null);
  if (found) {
    throw new InputError(
      `run folder ${path} exists; choose another --out, or go on with it by --resume ${path}`,
    );
  }
}

/** Reads a run's configuration. Throws InputError when the folder is no run or its config.json is damaged. */
export async function openRun(
  path: string,
): Promise<{ readonly folder: RunFolder; readonly config: RunConfig }> {
  const found = await stat(path).catch(() => null);
  if (!found?.isDirectory()) {
    const problem = found ? 'is a file' : 'does not exist';
    throw new InputError(`run folder ${path} ${problem}; see what is in ${dirname(path)}`);
  }
  const file = join(path, 'config.json');
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new InputError(`${describeFsError(error, `cannot read ${file}`)}: is ${path} a run folder?`);
  });
  const config = parseConfig(text);
  if (typeof config === 'string') throw new InputError(`${file}: ${config}`);
  return { folder: runFolder(path, config), config };
}

function parseConfig(text: string): RunConfig | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'is not JSON; put back the file that the run wrote';
  }
  const parsed = RunConfig.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return `${issue!.path.join('.') || 'the file'}: ${issue!.message}`;
}

/** Ties a checkpoint to the configuration it was made with. */
export const configHash = (config: RunConfig): string =>
  createHash('sha256')
    .update(JSON.stringify(RunConfig.parse(config)))
    .digest('hex');

/** The checkpoint first, then the epoch's line: after a kill between them the line is written again from the first. */
export async function recordEpoch(
  folder: RunFolder,
  config: RunConfig,
  record: EpochRecord,
  checkpoint: Checkpoint,
): Promise<void> {
  await saveCheckpoint(folder.checkpoint, checkpoint, configHash(config));
  try {
    await appendFile(folder.metrics, `${JSON.stringify(record)}\n`);
    const file = await open(folder.metrics);
    await file.sync();
    await file.close();
  } catch (error) {
    throw new Error(describeFsError(error, `cannot write ${folder.metrics}`), { cause: error });
  }
}

/** Makes `metrics.jsonl` what the checkpoint says it is, and removes what a kill left half-written. */
export async function restoreRun(folder: RunFolder, records: readonly EpochRecord[]): Promise<void> {
  const { config, metrics, result, c1, c2, attacker, samples, checkpoint } = folder;
  for (const path of [config, metrics, result, c1, c2, attacker, samples, checkpoint]) {
    await removeTemporaries(path);
  }
  await writeAtomic(metrics, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

/** Where the numbers came from. */
export interface Environment {
  readonly device: string;
  readonly threads: number;
  readonly onnxruntime: string;
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  readonly sparring: string;
  readonly commit: string | null;
  /** Wall time of the last session of the run, in seconds. */
  readonly seconds: number;
}

/** `result.json`, schema 1. */
export interface Result {
  readonly schema: 1;
  readonly config: RunConfig;
  readonly environment: Environment;
  readonly runs: readonly CellResult[];
}

export interface CellResult extends Pick<RunConfig, 'mode' | 'eps' | 'bound' | 'clip' | 'seed'> {
  readonly folder: string;
  /** SHA-256 of each model file. */
  readonly models: Readonly<Record<keyof Contestants, string>>;
  readonly epochs: readonly EpochRecord[];
  readonly final: Pick<EpochRecord, 'c1' | 'c2'>;
}

/** Writes models, figure and result; the result last, so that where it is, all of it is. */
export async function finishRun(
  folder: RunFolder,
  config: RunConfig,
  {
    models,
    samples,
    records,
    environment,
  }: {
    readonly models: Required<Contestants>;
    readonly samples: Uint8Array;
    readonly records: readonly EpochRecord[];
    readonly environment: Environment;
  },
): Promise<Result> {
  const last = records.at(-1)!;
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const result: Result = {
    schema: 1,
    config,
    environment,
    runs: [
      {
        mode: config.mode,
        eps: config.eps,
        bound: config.bound,
        clip: config.clip,
        seed: config.seed,
        folder: basename(folder.cell),
        models: { c1: sha256(models.c1), c2: sha256(models.c2), attacker: sha256(models.attacker) },
        epochs: records,
        final: { c1: last.c1, c2: last.c2 },
      },
    ],
  };
  await makeFolder(folder.cell);
  await writeAtomic(folder.c1, models.c1);
  await writeAtomic(folder.c2, models.c2);
  await writeAtomic(folder.attacker, models.attacker);
  await writeAtomic(folder.samples, samples);
  await writeAtomic(folder.result, `${JSON.stringify(result, null, 2)}\n`);
  const link = latestLink(folder.path);
  // A run that is gone on with through the link has it already.
  if (link !== null && link !== resolve(folder.path)) await linkLatest(folder.path, link);
  return result;
}
