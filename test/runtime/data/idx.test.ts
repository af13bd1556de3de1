import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limit, loadDataset, loadSameDataset } from '../../../src/runtime/data/dataset.ts';
import { InputError } from '../../../src/runtime/errors.ts';
import { encodeIdx, examples, writeIdxFolder } from '../../support/idx.ts';

const TRAIN_IMAGES = 'train-images-idx3-ubyte';
const TRAIN_LABELS = 'train-labels-idx1-ubyte';
const small = { train: examples(30), test: examples(20) };

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'sparring-datasets-')), 'digits');
});
afterEach(async () => {
  await rm(join(folder, '..'), { recursive: true });
});

async function failure(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(InputError);
  const { message } = error as InputError;
  expect(message).not.toContain('\n');
  return message;
}

describe('the data of a run', () => {
  it('is read from where it was, or from where it is now', async () => {
    await writeIdxFolder(folder, small);
    const { sha256 } = await loadDataset(folder);
    const known = { source: folder, sha256 };
    expect((await loadSameDataset('runs/a', known)).sha256).toBe(sha256);
    const moved = join(folder, '..', 'moved');
    await rename(folder, moved);
    expect(await failure(loadSameDataset('runs/a', known))).toMatch(
      /^cannot read the data set .*; if the data of runs\/a has moved, name its folder with --data$/,
    );
    expect(await loadSameDataset('runs/a', known, moved)).toMatchObject({ name: 'moved', sha256 });
  });

  it('is told by its hash, wherever it is', async () => {
    await writeIdxFolder(folder, small);
    const { sha256 } = await loadDataset(folder);
    const known = { source: 'elsewhere', sha256: `0123456789abcdef${sha256.slice(16)}` };
    expect(await failure(loadSameDataset('runs/a', known, folder))).toBe(
      `${folder} is not the data of runs/a: sha256 ${sha256.slice(0, 12)}..., expected 0123456789ab...; ` +
        'restore the original files, or name their folder with --data',
    );
  });
});

describe('MNIST', () => {
  it('is the data set everyone means', async () => {
    const { name, train, test, sha256 } = await loadDataset('mnist');
    expect(name).toBe('mnist');
    expect(sha256).toBe('b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a');
    expect(train).toMatchObject({ count: 60_000, height: 28, width: 28, classes: 10 });
    expect(test).toMatchObject({ count: 10_000, height: 28, width: 28, classes: 10 });
    expect([...train.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    expect([...test.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);

    const histogram = Array.from({ length: 10 }, () => 0);
    for (const label of train.labels) histogram[label]!++;
    expect(histogram).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);

    const mean = train.images.reduce((sum, pixel) => sum + pixel, 0) / train.images.length / 255;
    expect(mean).toBeCloseTo(0.1307, 4);
  });
});

describe('a folder of IDX files', () => {
  it('gives back the examples that were written', async () => {
    await writeIdxFolder(folder, small);
    const { name, train, test } = await loadDataset(folder);
    expect(name).toBe('digits');
    expect(train).toEqual({ ...small.train, count: 30, height: 28, width: 28, classes: 10 });
    expect(test).toEqual({ ...small.test, count: 20, height: 28, width: 28, classes: 10 });
  });

  it('may be compressed, which changes nothing, not even the hash', async () => {
    await writeIdxFolder(folder, small);
    await writeIdxFolder(join(folder, 'gz', 'digits'), small, { gzip: true });
    expect(await loadDataset(join(folder, 'gz', 'digits'))).toEqual(await loadDataset(folder));
  });

  it('is hashed over its four files in order', async () => {
    await writeIdxFolder(folder, small);
    const hash = createHash('sha256');
    for (const file of [TRAIN_IMAGES, TRAIN_LABELS, 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']) {
      hash.update(await readFile(join(folder, file)));
    }
    expect((await loadDataset(folder)).sha256).toBe(hash.digest('hex'));
  });

  it('may have a dot before idx in the names', async () => {
    await writeIdxFolder(folder, small);
    await rename(join(folder, TRAIN_IMAGES), join(folder, 'train-images.idx3-ubyte'));
    expect((await loadDataset(folder)).train.count).toBe(30);
  });

  it('may have compressed content under the plain name', async () => {
    await writeIdxFolder(folder, small);
    await writeFile(join(folder, TRAIN_LABELS), gzipSync(await readFile(join(folder, TRAIN_LABELS))));
    expect((await loadDataset(folder)).train.labels).toEqual(small.train.labels);
  });
});

describe('a data set that cannot be read', () => {
  it('names a folder that does not exist, and what may stand there', async () => {
    expect(await failure(loadDataset(folder))).toBe(
      `cannot read the data set ${folder}: no such file or folder; check the path ` +
        "(expected 'mnist' or a folder with train-images-idx3-ubyte and so on)",
    );
  });

  it('names a path that is a file', async () => {
    await writeFile(folder, 'a file');
    expect(await failure(loadDataset(folder))).toMatch(
      `cannot read the data set ${folder}: a part of the path`,
    );
  });

  it('names a file that is missing', async () => {
    await writeIdxFolder(folder, small);
    await rm(join(folder, TRAIN_LABELS));
    expect(await failure(loadDataset(folder))).toBe(
      `the data set ${folder} has no ${TRAIN_LABELS}; put the file there, plain or as ${TRAIN_LABELS}.gz`,
    );
  });

  it('names a folder that is where a file should be', async () => {
    await writeIdxFolder(folder, small);
    await rm(join(folder, TRAIN_LABELS));
    await mkdir(join(folder, TRAIN_LABELS));
    expect(await failure(loadDataset(folder))).toBe(
      `the data set ${folder} has no file ${TRAIN_LABELS}, only a folder ${TRAIN_LABELS}; move the file out of it`,
    );
  });

  it('reads the dotted files of an archive that unpacks the others into folders of their names', async () => {
    await writeIdxFolder(folder, small);
    const { sha256 } = await loadDataset(folder);
    for (const name of await readdir(folder)) {
      await rename(join(folder, name), join(folder, name.replace('-idx', '.idx')));
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, name), 'not read');
    }
    expect((await loadDataset(folder)).sha256).toBe(sha256);
  });

  it('does not mind other files', async () => {
    await writeIdxFolder(folder, small);
    const { sha256 } = await loadDataset(folder);
    for (const name of ['.DS_Store', 'README.txt', `${TRAIN_LABELS}.bak`, `._${TRAIN_LABELS}`]) {
      await writeFile(join(folder, name), 'stray');
    }
    expect((await loadDataset(folder)).sha256).toBe(sha256);
  });

  const images = encodeIdx([30, 28, 28], small.train.images);
  const doubles = images.with(2, 0x0e);
  it.each<[string, string, Uint8Array, string]>([
    ['is empty', TRAIN_IMAGES, images.subarray(0, 0), 'truncated: 0 bytes, the header takes 16'],
    ['ends in the header', TRAIN_IMAGES, images.subarray(0, 15), 'truncated: 15 bytes, the header takes 16'],
    [
      'ends in the data',
      TRAIN_IMAGES,
      images.subarray(0, -1),
      'truncated: 23535 bytes, shape [30, 28, 28] takes 23536',
    ],
    [
      'goes on after the data',
      TRAIN_IMAGES,
      new Uint8Array([...images, 1, 2]),
      '2 trailing bytes: 23538 bytes, shape [30, 28, 28] takes 23536',
    ],
    [
      'has labels for images',
      TRAIN_IMAGES,
      encodeIdx([30], small.train.labels),
      'magic 0x00000801, must be 0x00000803',
    ],
    ['has images for labels', TRAIN_LABELS, images, 'magic 0x00000803, must be 0x00000801'],
    ['has other elements than bytes', TRAIN_IMAGES, doubles, 'magic 0x00000e03, must be 0x00000803'],
    ['has no images', TRAIN_IMAGES, encodeIdx([0, 28, 28], new Uint8Array()), 'has no images'],
    [
      'has images of another size',
      TRAIN_IMAGES,
      encodeIdx([3, 32, 32], new Uint8Array(3 * 1024)),
      'images must be 28x28, got 32x32',
    ],
    ['has too few labels', TRAIN_LABELS, encodeIdx([29], new Uint8Array(29)), '29 labels for the 30 images'],
    [
      'has a label above 9',
      TRAIN_LABELS,
      encodeIdx([30], small.train.labels.with(4, 10)),
      'labels must be 0..9, got 10 for image 4',
    ],
    ['is corrupt gzip data', TRAIN_IMAGES, gzipSync(images).fill(0, 10), 'corrupt gzip data'],
    ['is cut-off gzip data', TRAIN_IMAGES, gzipSync(images).subarray(0, 100), 'corrupt gzip data'],
    [
      'is truncated before compression',
      TRAIN_IMAGES,
      gzipSync(images.subarray(0, 100)),
      'truncated: 100 bytes, shape',
    ],
  ])('names a file that %s', async (_, file, bytes, problem) => {
    await writeIdxFolder(folder, small);
    await writeFile(join(folder, file), bytes);
    const message = await failure(loadDataset(folder));
    expect(message).toMatch(`${join(folder, file)}: `);
    expect(message).toContain(problem);
  });
});

describe('limit', () => {
  const split = { ...small.train, count: 30, height: 28, width: 28, classes: 10 };

  it('takes the first examples', () => {
    expect(limit(split, 7)).toEqual({
      ...split,
      images: small.train.images.subarray(0, 7 * 784),
      labels: Uint8Array.of(0, 1, 2, 3, 4, 5, 6),
      count: 7,
    });
  });

  it('may take all of them', () => {
    expect(limit(split, 30)).toEqual(split);
  });

  it.each([31, 0, -1, 2.5, Number.NaN])('refuses %d and names both numbers', (n) => {
    expect(() => limit(split, n)).toThrow(
      new InputError(`the limit must be an integer in 1..30, the examples there are; got ${n}`),
    );
  });
});
