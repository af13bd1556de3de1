import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cardOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import { MNIST_COUNTS } from '../runtime/data/mnist.ts';
import { InputError } from '../runtime/errors.ts';
import type { CellModels, Manifest, ManifestCell } from '../runtime/experiment/manifest.ts';
import { hasTransfer } from '../runtime/experiment/config.ts';
import { openRun, readResult } from '../runtime/experiment/folder.ts';
import { openModel } from '../runtime/session.ts';
import { digestOf, openModelFile, readModelFile } from './model-files.ts';

/** An ONNX file that the server runs, hands out, or both. */
export interface StoredModel {
  /** Where its bytes are: a path, or the bytes themselves. */
  readonly content: string | Uint8Array;
  /** In hexadecimal. */
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
}

/** One trained attacker and its classifiers, with the files they are in. */
export interface Cell extends Omit<ManifestCell, 'models'> {
  readonly models: Readonly<Record<keyof CellModels & ('c1' | 'attacker'), StoredModel>> & {
    readonly [Name in keyof CellModels]?: StoredModel;
  };
}

/** Everything that a server serves. */
export interface Catalogue {
  /** The run folder's own name. */
  readonly run: string;
  readonly data: Manifest['data'];
  /** What its classifiers have in common. */
  readonly card: ClassifierCard;
  /** At least one; the first is the default. */
  readonly cells: readonly Cell[];
}

/** What each model's file is called in the folder of its cell, and in its URL. */
export const fileNames: Readonly<Record<keyof CellModels, string>> = {
  c1: 'classifier-c1.onnx',
  c2: 'classifier-c2.onnx',
  attacker: 'attacker.onnx',
  attackerCompact: 'attacker-compact.onnx',
  gradient: 'gradient-c1.onnx',
};

/**
 * Reads a finished run and compares every model file with the hash that the run wrote down.
 *
 * @param path a run folder, or a link to one.
 * @throws InputError when there is no finished run, or a file of it is missing, damaged or another one: by its name.
 */
export async function loadCatalogue(path: string): Promise<Catalogue> {
  const folder = await realpath(path).catch(() => {
    throw new InputError(`there is no trained run at ${path}; train one first, or name one with --run`);
  });
  const result = await readResult({ result: join(path, 'result.json') });
  if (!result || result.runs.length === 0) {
    // names what is wrong with a folder that is not a run
    await openRun(path);
    throw new InputError(`${path} has no finished attacker yet; resume it with train --resume ${path}`);
  }
  const { config, runs } = result;
  const cells: Cell[] = [];
  for (const { models, final, epochs: _, ...cell } of runs) {
    const stored = (name: keyof typeof models) =>
      verified(join(folder, cell.folder, fileNames[name]), models[name]);
    const [c1, attacker] = [await stored('c1'), await stored('attacker')];
    cells.push(
      hasTransfer(config)
        ? { ...cell, final, models: { c1, c2: await stored('c2'), attacker } }
        : { ...cell, final: { c1: final.c1 }, models: { c1, attacker } },
    );
  }
  const { source } = config.data;
  const testImages = config.testLimit ?? (source === 'mnist' ? MNIST_COUNTS.test : null);
  const card = await cardOfStored(cells[0]!.models.c1);
  return { run: basename(folder), data: { name: basename(source), testImages }, card, cells };
}

/** The card of a classifier, which the classifiers of a run have in common. */
async function cardOfStored(stored: StoredModel): Promise<ClassifierCard> {
  const name = String(stored.content);
  const model = await openModel(await bytesOf(stored), { device: 'cpu', threads: 1 }).catch(
    (error: unknown) => {
      const [line] = (error as Error).message.split('\n', 1);
      throw new InputError(`${name}: ONNX Runtime cannot open it: ${line}`, { cause: error });
    },
  );
  try {
    return cardOf(model, name);
  } finally {
    await model.close();
  }
}

/** The file, when it is the one that the run wrote. */
async function verified(path: string, expected: string): Promise<StoredModel> {
  const file = await openModelFile(path);
  try {
    return { content: path, ...(await digestOf(path, file, expected)) };
  } finally {
    await file.close();
  }
}

/** A model that was built in memory. */
export const storedBytes = (content: Uint8Array): StoredModel => ({
  content,
  sha256: createHash('sha256').update(content).digest('hex'),
  size: content.length,
});

/** The bytes of a model. Throws InputError when its file is not the one that the run wrote. */
export const bytesOf = async ({ content, sha256 }: StoredModel): Promise<Uint8Array> =>
  typeof content === 'string' ? await readModelFile(content, sha256) : content;

/** What `GET /models` answers. A URL holds the hash of its file, so that it may be kept for ever. */
export function manifestOf({ run, data, card, cells }: Catalogue): Manifest {
  const file = (folder: string, name: keyof CellModels, { size, sha256 }: StoredModel) => ({
    url: `models/${encodeURIComponent(folder)}/${fileNames[name]}?sha256=${sha256.slice(0, 16)}`,
    bytes: size,
    sha256,
  });
  return {
    schema: 1,
    run,
    data,
    classifier: card,
    cells: cells.map(({ models, ...cell }) => ({
      ...cell,
      models: Object.fromEntries(
        Object.entries(models).map(([name, model]) => [
          name,
          file(cell.folder, name as keyof CellModels, model),
        ]),
      ) as unknown as CellModels,
    })),
    server: { attack: 'attack' },
  };
}
