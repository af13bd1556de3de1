import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { datasetOf, type Format } from './dataset.ts';
import { numbered, storedSource, valuesOf, type StoredSource } from './source.ts';

/** What CIFAR-10 and CIFAR-100 call their files, and what a record begins with. */
interface Kind {
  readonly train: readonly string[];
  readonly test: readonly string[];
  readonly names: string;
  readonly classes: number;
  /** Bytes of labels before the pixels; the last one is the label that counts. */
  readonly labels: number;
}

const cifar10: Kind = {
  train: [1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}.bin`),
  test: ['test_batch.bin'],
  names: 'batches.meta.txt',
  classes: 10,
  labels: 1,
};

const cifar100: Kind = {
  train: ['train.bin'],
  test: ['test.bin'],
  names: 'fine_label_names.txt',
  classes: 100,
  labels: 2,
};

const shape = { channels: 3, height: 32, width: 32 } as const;

/**
 * CIFAR-10 or CIFAR-100 in the binary version (Krizhevsky 2009, the page of the data set): records of one label, or of a
 * coarse and a fine one, and 3072 bytes: red, green and blue, each 32 rows of 32. The fine label counts. Where the file of
 * class names is missing, classes are numbers.
 */
export const cifar: Format = {
  expects: 'a folder with the binary version of CIFAR-10 or CIFAR-100',
  options: [],
  async open(source, { train }) {
    const files = await readdir(source).catch((): string[] => []);
    const kind = [cifar10, cifar100].find(({ test }) => test.every((name) => files.includes(name)));
    if (!kind) {
      if (files.includes('data_batch_1') && files.includes('test_batch')) {
        throw new InputError(`${source}: is the Python version of CIFAR-10; download the binary version`);
      }
      return null;
    }
    const classes = files.includes(kind.names)
      ? await namesFrom(join(source, kind.names), kind)
      : numbered(kind.classes);
    const part = (names: readonly string[]): Promise<StoredSource> => readPart(source, names, kind, classes);
    const trains = train && kind.train.some((name) => files.includes(name));
    return datasetOf(await part(kind.test), trains ? await part(kind.train) : null);
  },
};

async function readPart(
  source: string,
  names: readonly string[],
  { labels: prefix, classes: count }: Kind,
  classes: readonly string[],
): Promise<StoredSource> {
  const record = prefix + valuesOf(shape);
  const hash = createHash('sha256');
  const files: Uint8Array[] = [];
  for (const name of names) {
    const path = join(source, name);
    const bytes = await read(path);
    if (bytes.length === 0 || bytes.length % record !== 0) {
      throw new InputError(
        `${path}: ${bytes.length} bytes, must be records of ${record}; download the file again`,
      );
    }
    for (let at = prefix - 1; at < bytes.length; at += record) {
      if (bytes[at]! < count) continue;
      throw new InputError(
        `${path}: labels must be 0..${count - 1}, got ${bytes[at]} for image ${Math.floor(at / record)}; ` +
          'download the file again',
      );
    }
    hash.update(bytes);
    files.push(bytes);
  }
  const total = files.reduce((sum, { length }) => sum + length / record, 0);
  const images = new Uint8Array(total * valuesOf(shape));
  const labels = new Int32Array(total);
  let image = 0;
  for (const bytes of files) {
    for (let at = 0; at < bytes.length; at += record) {
      labels[image] = bytes[at + prefix - 1]!;
      images.set(bytes.subarray(at + prefix, at + record), image++ * valuesOf(shape));
    }
  }
  const about = { name: basename(resolve(source)), shape, classes, sha256: hash.digest('hex') };
  return storedSource(about, { images, labels });
}

async function namesFrom(path: string, { classes }: Kind): Promise<readonly string[]> {
  const text = new TextDecoder().decode(await read(path));
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (names.length === classes) return names;
  throw new InputError(`${path}: ${names.length} names, must be ${classes}, one a line; restore the file`);
}

const read = (path: string): Promise<Uint8Array> =>
  readFile(path).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
