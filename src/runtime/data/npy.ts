import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InputError } from '../errors.ts';
import { mostClasses } from './classes.ts';
import { datasetOf, type Dataset, type Format, type Wanted } from './dataset.ts';
import { openImageArray, readAll, sourceOf } from './image-array.ts';
import { elementsOf, parseNpy } from './npy-file.ts';
import { readNpz } from './npz-file.ts';
import { memory, numbered, type ImageSource } from './source.ts';

/**
 * Arrays as numpy writes them. Of an npy file, the labels are in another one: where `x` or `images` is a part of its name,
 * the file with `y` or `labels` in that place (`x_test.npy`, `y_test.npy`), else `labels.npy` beside it. An npz file has
 * both. Images without labels are images of unknown classes.
 */
export const npy: Format = {
  expects: 'an npy or npz file',
  options: ['labels'],
  open: (source, wanted) => openNpy(source, wanted),
};

/** Reads such a file; null where its name has another ending. Of an npy file, up to `most` bytes are kept in memory. */
export async function openNpy(
  source: string,
  wanted: Wanted,
  most: number = memory,
): Promise<Dataset | null> {
  if (/\.npz$/i.test(source)) return await openNpz(source, wanted);
  if (!/\.npy$/i.test(source)) return null;
  const labels = wanted.labels ?? (await labelsBeside(source));
  const part = {
    images: source,
    what: source,
    labels: labels === null ? null : await readAll(labels),
    labelsWhat: labels ?? '',
  };
  return datasetOf(await readPart(source, part, wanted, most), null);
}

async function labelsBeside(source: string): Promise<string | null> {
  const [folder, name] = [dirname(source), basename(source)];
  const other = name.replace(/images/i, 'labels').replace(/(?<![a-z])x(?![a-z])/i, 'y');
  for (const candidate of [other, 'labels.npy']) {
    const path = join(folder, candidate);
    if (
      candidate !== name &&
      (await access(path).then(
        () => true,
        () => false,
      ))
    )
      return path;
  }
  return null;
}

/** Names of arrays in npz files: images, then labels. The first pair that is there is taken. */
const testNames = [
  ['x_test', 'y_test'],
  ['test_images', 'test_labels'],
  ['images', 'labels'],
  ['x', 'y'],
] as const;
const trainNames = [
  ['x_train', 'y_train'],
  ['train_images', 'train_labels'],
] as const;

async function openNpz(source: string, wanted: Wanted): Promise<Dataset> {
  if (wanted.labels !== undefined) {
    throw new InputError(`${source}: an npz file has its own labels; leave out ${wanted.labels}`);
  }
  let test: readonly [string, string] | undefined;
  let train: readonly [string, string] | undefined;
  const arrays = await readNpz(source, (names) => {
    test = testNames.find(([images]) => names.includes(images));
    train = wanted.train ? trainNames.find(([images]) => names.includes(images)) : undefined;
    if (test) return [...test, ...(train ?? [])].filter((name) => names.includes(name));
    const pairs = testNames.map(([images, labels]) => `${images} and ${labels}`);
    throw new InputError(`${source}: has the arrays ${names.join(', ')}; must have ${pairs.join(', or ')}`);
  });
  const part = ([images, labels]: readonly [string, string]): Part => ({
    images: arrays.get(images)!,
    what: `${source}: ${images}`,
    labels: arrays.get(labels) ?? null,
    labelsWhat: `${source}: ${labels}`,
  });
  const tests = await readPart(source, part(test!), wanted, Infinity);
  if (!train) return datasetOf(tests, null);
  const trains = await readPart(source, part(train), { ...wanted, shape: tests.shape }, Infinity);
  const classes = tests.classes.length > trains.classes.length ? tests.classes : trains.classes;
  return datasetOf({ ...tests, classes }, { ...trains, classes });
}

/** The images and labels of one part; labels are null where there are none. */
interface Part {
  readonly images: Uint8Array | string;
  readonly what: string;
  readonly labels: Uint8Array | null;
  readonly labelsWhat: string;
}

async function readPart(
  source: string,
  { images, what, labels, labelsWhat }: Part,
  wanted: Wanted,
  most: number,
): Promise<ImageSource> {
  const array = await openImageArray(images, what, wanted.shape, most);
  const hash = createHash('sha256').update(array.sha256);
  if (labels) hash.update(createHash('sha256').update(labels).digest('hex'));
  const name = basename(source);
  if (!labels) {
    const unknown = { name, classes: [], sha256: hash.digest('hex'), labels: 'unknown' as const };
    return sourceOf(array, new Int32Array(array.count).fill(-1), unknown);
  }
  const found = labelsIn(labels, labelsWhat);
  if (found.length !== array.count) {
    throw new InputError(
      `${labelsWhat}: ${found.length} labels for the ${array.count} images of ${what}; there must be as many`,
    );
  }
  const classes = numbered(found.reduce((most, label) => Math.max(most, label), 0) + 1);
  return sourceOf(array, found, { name, classes, sha256: hash.digest('hex') });
}

function labelsIn(bytes: Uint8Array, what: string): Int32Array {
  const header = parseNpy(bytes, bytes.length, what);
  const [, ...rest] = header.shape;
  if (header.shape.length === 0 || rest.some((length) => length !== 1)) {
    throw new InputError(
      `${what}: labels are [${header.shape.join()}], must be [count]; take numpy.argmax of one-hot labels`,
    );
  }
  const labels = elementsOf(bytes, header);
  const wrong = labels.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < mostClasses));
  if (wrong === -1) return Int32Array.from(labels);
  throw new InputError(
    `${what}: labels must be integers in 0..${mostClasses - 1}, got ${labels[wrong]} for image ${wrong}; relabel it`,
  );
}
