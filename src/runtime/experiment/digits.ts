import { loadDataset } from '../data/formats.ts';
import type { TrainingSet } from '../data/dataset.ts';
import { inMemory, storedSource, type ImageSource, type StoredSource } from '../data/source.ts';
import { InputError } from '../errors.ts';

/** What the paper's experiment is about: grey images of 28x28 pixels, in ten classes. */
export const digits = { image: { channels: 1, height: 28, width: 28 }, classes: 10 } as const;

/** The data set that the paper's experiment is about. */
export const paperData = 'mnist';

/** A data set that the experiment can train on: 28x28 grey images of ten classes, in memory. */
export interface Digits {
  /** `mnist`, or the last part of the path. */
  readonly name: string;
  readonly train: StoredSource;
  readonly test: StoredSource;
  readonly sha256: string;
}

/**
 * Reads a data set for the experiment.
 *
 * @param source `mnist`, or the path of a data set like it.
 * @throws InputError if there is none, or it is of other images.
 */
export async function loadDigits(source: string): Promise<Digits> {
  const dataset = await loadDataset(source);
  const { name, sha256 } = dataset;
  refuseOthers(source, dataset);
  return {
    name,
    sha256,
    train: await digitsOf(dataset.train, `${source}, training images`),
    test: await digitsOf(dataset.test, `${source}, test images`),
  };
}

/**
 * Reads the data that a run was made with, told by its hash.
 *
 * @param run what the run is called in errors.
 * @param known what its config.json says of the data.
 * @param moved where the data is now (`--data`); undefined where it was.
 * @throws InputError when it cannot be read, or is other data.
 */
export async function loadSameDigits(
  run: string,
  known: { readonly source: string; readonly sha256: string },
  moved?: string,
): Promise<Digits> {
  const source = moved ?? known.source;
  const dataset = await loadDigits(source).catch((error: unknown) => {
    if (moved !== undefined || !(error instanceof InputError)) throw error;
    throw new InputError(`${error.message}; if the data of ${run} has moved, name its folder with --data`, {
      cause: error,
    });
  });
  if (dataset.sha256 === known.sha256) return dataset;
  const start = (hash: string): string => `${hash.slice(0, 12)}...`;
  throw new InputError(
    `${source} is not the data of ${run}: sha256 ${start(dataset.sha256)}, expected ${start(known.sha256)}; ` +
      'restore the original files, or name their folder with --data',
  );
}

/** One part of a data set, in memory. Where it has no images of the last classes, there are still ten. */
async function digitsOf(source: ImageSource, where: string): Promise<StoredSource> {
  const { stored } = await inMemory(source);
  const wrong = stored.labels.findIndex((label) => label >= digits.classes);
  if (wrong !== -1) {
    throw new InputError(
      `${where}: labels must be 0..${digits.classes - 1} for the paper's experiment, got ${stored.labels[wrong]} ` +
        `for image ${wrong}; relabel it`,
    );
  }
  const classes = Array.from(
    { length: digits.classes },
    (_, label) => source.classes[label] ?? String(label),
  );
  return storedSource({ ...source, classes }, stored);
}

function refuseOthers(source: string, { test: { shape } }: TrainingSet): void {
  const { image } = digits;
  const [wanted, found] = [image, shape].map(({ channels, height, width }) =>
    [channels, height, width].join('x'),
  );
  if (wanted === found) return;
  throw new InputError(
    `${source}: the paper's experiment takes images of ${wanted} (channels x height x width), got ${found}; ` +
      'resize them',
  );
}
