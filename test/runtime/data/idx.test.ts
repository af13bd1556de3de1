import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectedData, loadDataset } from '../../../src/runtime/data/formats.ts';
import { openIdx } from '../../../src/runtime/data/idx.ts';
import { encodeIdx, examples, writeIdxFolder } from '../../support/idx.ts';
import { inputFailure as failure } from '../../support/failure.ts';

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

describe('a folder of IDX files', () => {
  it('gives back the examples that were written', async () => {
    await writeIdxFolder(folder, small);
    const { name, train, test } = await loadDataset(folder);
    expect(name).toBe('digits');
    const shape = { channels: 1, height: 28, width: 28 };
    const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
    expect(train).toMatchObject({ name: 'digits', count: 30, shape, classes });
    expect(test).toMatchObject({ name: 'digits', count: 20, shape, classes });
    expect(train.stored).toEqual({ ...small.train, labels: Int32Array.from(small.train.labels) });
    expect(test.stored).toEqual({ ...small.test, labels: Int32Array.from(small.test.labels) });
  });

  it('may be compressed, which changes nothing, not even the hash', async () => {
    await writeIdxFolder(folder, small);
    await writeIdxFolder(join(folder, 'gz', 'digits'), small, { gzip: true });
    const [packed, plain] = [await loadDataset(join(folder, 'gz', 'digits')), await loadDataset(folder)];
    expect(packed.sha256).toBe(plain.sha256);
    expect(packed.train.stored).toEqual(plain.train.stored);
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
    expect((await loadDataset(folder)).train.stored!.labels).toEqual(Int32Array.from(small.train.labels));
  });
});

describe('a data set that cannot be read', () => {
  it('names a folder that does not exist, and what may stand there', async () => {
    expect(await failure(loadDataset(folder))).toBe(
      `cannot read the data set ${folder}: no such file or folder; check the path ` +
        `(expected ${expectedData})`,
    );
  });

  it('names a path that is a file', async () => {
    await writeFile(folder, 'a file');
    expect(await failure(loadDataset(folder))).toBe(
      `${folder} holds no data set of a known format; expected ${expectedData}`,
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
      'has images of two channels',
      TRAIN_IMAGES,
      encodeIdx([30, 2, 4, 4], new Uint8Array(960)),
      'with 1 or 3 channels, got [30,2,4,4]; transpose them',
    ],
    [
      'has its channels last',
      TRAIN_IMAGES,
      encodeIdx([30, 4, 4, 3], new Uint8Array(1440)),
      'got [30,4,4,3]; transpose them',
    ],
    ['has too few labels', TRAIN_LABELS, encodeIdx([29], new Uint8Array(29)), '29 labels for the 30 images'],
    [
      'has a negative label',
      TRAIN_LABELS,
      encodeIdx([30], Int32Array.from(small.train.labels).with(4, -1), 0x0c),
      'labels must be 0..65535, got -1 for image 4; relabel it',
    ],
    [
      'has a label that no list of classes is long enough for',
      TRAIN_LABELS,
      encodeIdx([30], Int32Array.from(small.train.labels).with(4, 65_536), 0x0c),
      'labels must be 0..65535, got 65536 for image 4; relabel it',
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

describe('images of other kinds', () => {
  /** Random enough, and the same at each call. */
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => (i * 89) % 251);
  const colour = { images: bytes(4 * 3 * 5 * 6), labels: [0, 299, 7, 1], shape: [3, 5, 6] };
  const write = async (name: string, file: Uint8Array): Promise<void> =>
    await writeFile(join(folder, name), file);

  /** Four colour images of 5x6 pixels in 300 classes, with labels as int32. */
  async function writeColour(shape: readonly number[] = colour.shape): Promise<void> {
    await mkdir(folder);
    for (const part of ['train', 't10k']) {
      await write(`${part}-images-idx4-ubyte`, encodeIdx([4, ...shape], colour.images));
      await write(`${part}-labels-idx1-int`, encodeIdx([4], Int32Array.from(colour.labels), 0x0c));
    }
  }

  it('may have colours, any size, and labels beyond 255', async () => {
    await writeColour();
    const { train } = await loadDataset(folder);
    expect(train).toMatchObject({ count: 4, shape: { channels: 3, height: 5, width: 6 } });
    expect(train.classes).toHaveLength(300);
    const { image, label } = await train.read([1, 3]);
    expect(image.shape).toEqual([2, 3, 5, 6]);
    const expected = [...colour.images.subarray(90, 180), ...colour.images.subarray(270)];
    expect(image.data).toEqual(Float32Array.from(expected, (byte) => byte / 255));
    expect(label).toEqual({ dtype: 'int32', shape: [2], data: Int32Array.of(299, 1) });
  });

  it.each([
    ['int16', 0x0b, Int16Array],
    ['signed bytes', 0x09, Int8Array],
    ['unsigned bytes', 0x08, Uint8Array],
  ] as const)('may have labels of %s', async (_, type, Labels) => {
    await writeIdxFolder(folder, small);
    await write(TRAIN_LABELS, encodeIdx([30], Labels.from(small.train.labels), type));
    expect((await loadDataset(folder)).train.stored!.labels).toEqual(Int32Array.from(small.train.labels));
  });

  it('have the classes of both parts', async () => {
    await writeIdxFolder(folder, small);
    await write('t10k-labels-idx1-ubyte', encodeIdx([20], small.test.labels.with(3, 11)));
    const { train, test } = await loadDataset(folder);
    expect([train.classes.length, test.classes.length]).toEqual([12, 12]);
  });

  it('must be of one size', async () => {
    await writeIdxFolder(folder, small);
    await write('t10k-images-idx3-ubyte', encodeIdx([20, 14, 56], small.test.images));
    expect(await failure(loadDataset(folder))).toBe(
      `${join(folder, 't10k-images-idx3-ubyte')}: images of 1x14x56 (channels x height x width), ` +
        `those of ${join(folder, TRAIN_IMAGES)} are 1x28x28; make them the same size`,
    );
  });

  it('are read from their file a batch at a time where they are too many for memory', async () => {
    await writeColour();
    const [whole, large] = [(await openIdx(folder))!, (await openIdx(folder, 'digits', 100))!];
    expect(large.sha256).toBe(whole.sha256);
    expect(large.train.stored).toBeUndefined();
    expect(await large.train.read([3, 0, 3])).toEqual(await whole.train.read([3, 0, 3]));
    // nothing of the file is kept: what is read next is what stands there now
    await write('train-images-idx4-ubyte', encodeIdx([4, 3, 5, 6], colour.images.toReversed()));
    expect(await large.train.read([0])).not.toEqual(await whole.train.read([0]));
  });

  it('that are too many for memory and compressed are to be unpacked first', async () => {
    await writeColour();
    await rm(join(folder, 'train-images-idx4-ubyte'));
    const file = encodeIdx([4, 3, 5, 6], colour.images);
    await write('train-images-idx4-ubyte.gz', gzipSync(file));
    const path = join(folder, 'train-images-idx4-ubyte.gz');
    for (const most of [file.length - 1, 50]) {
      expect(await failure(openIdx(folder, 'digits', most))).toBe(
        `${path}: holds more than ${most} bytes; unpack it with gunzip first`,
      );
    }
  });

  it('say when their file has become shorter', async () => {
    await writeColour();
    const { train } = (await openIdx(folder, 'digits', 100))!;
    const path = join(folder, 'train-images-idx4-ubyte');
    await write('train-images-idx4-ubyte', (await readFile(path)).subarray(0, -1));
    expect(await failure(train.read([0, 3]))).toBe(`${path}: ends before image 3; restore the file`);
    await rm(path);
    expect(await failure(train.read([0]))).toContain(`cannot read ${path}: no such file`);
  });
});
