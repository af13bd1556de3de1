import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hasTransfer } from './config.ts';
import { InputError } from '../errors.ts';
import type { TrainedModels } from './scores.ts';
import { describeFsError } from '../files.ts';
import type { CellResult } from './result.ts';
import { cellFolder, openRun, readResult, runFolder } from './folder.ts';

/** A finished cell of a run: what it was trained as, and its models. */
export interface Cell extends Pick<
  CellResult,
  'folder' | 'mode' | 'eps' | 'seed' | 'bound' | 'clip' | 'models'
> {
  /** Name of the classifiers' architecture. */
  readonly architecture: string;
  /** Whether there is a C2, another classifier than C1. */
  readonly hasTransfer: boolean;
  /** Reads a model file, and rejects one that is not what the run wrote. */
  readonly load: (model: keyof TrainedModels) => Promise<Uint8Array>;
}

/** What evaluation reads of a run. */
export interface FinishedRun {
  readonly path: string;
  readonly data: { readonly source: string; readonly sha256: string };
  /** First test images that the run was measured on; null for all. */
  readonly testLimit: number | null;
  /** One or more. */
  readonly cells: readonly Cell[];
}

/**
 * Reads the finished cells of a run.
 *
 * @throws InputError when no cell is finished, or `result.json` is damaged.
 */
export async function readFinishedRun(path: string): Promise<FinishedRun> {
  const files = runFolder(path);
  const result = await readResult(files);
  if (!result || result.runs.length === 0) {
    await openRun(path);
    throw new InputError(`${path}: no cell is finished yet; resume the run with train --resume ${path}`);
  }
  const { data, testLimit, architecture = 'paper' } = result.config;
  const transfer = hasTransfer(result.config);
  return {
    path,
    data,
    testLimit,
    cells: result.runs.map((run) => {
      const cell = cellFolder(path, run);
      return {
        ...run,
        architecture,
        hasTransfer: transfer,
        load: (model) => readModel(cell[model], run.models[model]),
      };
    }),
  };
}

async function readModel(file: string, sha256: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${file}`), { cause: error });
  });
  const found = createHash('sha256').update(bytes).digest('hex');
  if (found !== sha256) {
    const hashes = `sha256 ${found.slice(0, 12)}..., in result.json ${sha256.slice(0, 12)}...`;
    throw new InputError(`${file} is not the file that the run wrote (${hashes}); restore the original file`);
  }
  return bytes;
}
