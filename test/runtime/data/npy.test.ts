import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it, test } from 'vitest';
import { loadDataset, openImages } from '../../../src/runtime/data/formats.ts';
import { openNpy } from '../../../src/runtime/data/npy.ts';
import type { ImageSource } from '../../../src/runtime/data/source.ts';
import { inputFailure } from '../../support/failure.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { encodeNpy, numpyFiles } from '../../support/npy.ts';

const folder = temporaryFolder();

async function write(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder(), name);
  await writeFile(path, bytes);
  return path;
}

async function all(
  images: ImageSource,
): Promise<{ readonly pixels: readonly number[]; readonly labels: readonly number[] }> {
  const { image, label } = await images.read(Array.from({ length: images.count }, (_, i) => i));
  return { pixels: Array.from(image.data, Number), labels: Array.from(label.data, Number) };
}

/** The pixels of the fixtures of numpy: [count, height, width, channels]. */
const numpyPixel = (image: number, c: number, y: number, x: number): number =>
  Math.fround((((((image * 4 + y) * 5 + x) * 3 + c) * 7) % 256) / 255);

/** Images of 4x5 pixels as a source gives them. */
const planes = (images: readonly number[]): readonly number[] =>
  images.flatMap((image) =>
    [0, 1, 2].flatMap((c) =>
      [0, 1, 2, 3].flatMap((y) => [0, 1, 2, 3, 4].map((x) => numpyPixel(image, c, y, x))),
    ),
  );

describe('an npz file', () => {
  it('holds images and labels, as numpy.savez writes them', async () => {
    const images = await openImages(await write('a.npz', numpyFiles.savez));
    expect(images).toMatchObject({ name: 'a.npz', count: 3, shape: { channels: 3, height: 4, width: 5 } });
    expect(images.classes).toEqual(['0', '1', '2']);
    expect(await all(images)).toEqual({ pixels: planes([0, 1, 2]), labels: [2, 0, 1] });
  });

  it('may have two parts, and be compressed', async () => {
    const path = await write('a.npz', numpyFiles.savezCompressed);
    const { train, test } = await loadDataset(path);
    expect(await all(train)).toEqual({ pixels: planes([0, 1]), labels: [2, 0] });
    expect(await all(test)).toEqual({ pixels: planes([2]), labels: [1] });
    expect([train.classes, test.classes]).toEqual([
      ['0', '1', '2'],
      ['0', '1', '2'],
    ]);
    expect(await all(await openImages(path))).toEqual(await all(test));
  });

  it('that is damaged is rejected, wherever it is', async () => {
    const { savezCompressed: bytes } = numpyFiles;
    const right = { pixels: planes([2]), labels: [1] };
    const outcomes = new Set<string>();
    for (let at = 0; at < bytes.length; at += 19) {
      const path = await write('a.npz', Buffer.from(bytes).fill(bytes[at]! ^ 0x55, at, at + 1));
      const outcome = await loadDataset(path).then(
        async ({ test: images }) =>
          isDeepStrictEqual(await all(images), right) ? 'right' : `wrong at ${at}`,
        ({ message }: Error) => (message.startsWith(path) && !message.includes('\n') ? 'rejected' : message),
      );
      outcomes.add(outcome);
    }
    // times and the like may be anything
    expect(outcomes).toEqual(new Set(['rejected', 'right']));
  });

  it('that is truncated is rejected', async () => {
    for (let length = 0; length < numpyFiles.savez.length; length += 37) {
      const path = await write('a.npz', numpyFiles.savez.subarray(0, length));
      expect(await inputFailure(openImages(path))).toContain(`${path}: is no npz file, or is damaged (`);
    }
  });

  it('has no other file of labels', async () => {
    const path = await write('a.npz', numpyFiles.savez);
    expect(await inputFailure(openImages(path, { labels: 'b.npy' }))).toBe(
      `${path}: an npz file has its own labels; leave out b.npy`,
    );
  });
});

const grey = encodeNpy(
  '|u1',
  [3, 2, 2],
  Uint8Array.from({ length: 12 }, (_, i) => 20 * i),
);
const labels = encodeNpy('<i8', [3], BigInt64Array.from([1n, 0n, 9n]));

describe('an npy file', () => {
  it.each([
    ['images.npy', 'labels.npy'],
    ['x_test.npy', 'y_test.npy'],
    ['test_images.npy', 'test_labels.npy'],
    ['pictures.npy', 'labels.npy'],
  ])('%s has its labels in %s', async (images, beside) => {
    await write(beside, labels);
    const source = await openImages(await write(images, grey), { classes: 10 });
    expect(source).toMatchObject({ count: 3, shape: { channels: 1, height: 2, width: 2 } });
    expect((await all(source)).labels).toEqual([1, 0, 9]);
    expect(source.labels).toBeUndefined();
  });

  it('may have its labels anywhere', async () => {
    const other = await write('other.npy', encodeNpy('<f8', [3, 1], Float64Array.of(4, 5, 6)));
    expect((await all(await openImages(await write('x.npy', grey), { labels: other }))).labels).toEqual([
      4, 5, 6,
    ]);
  });

  it('without labels says so', async () => {
    const source = await openImages(await write('x.npy', grey), { classes: ['cat', 'dog'] });
    expect(source).toMatchObject({ labels: 'unknown', classes: ['cat', 'dog'] });
    expect((await all(source)).labels).toEqual([-1, -1, -1]);
  });

  it('may hold floats, whose values are kept', async () => {
    const { pixels } = await all(await openImages(await write('x.npy', numpyFiles.float32)));
    for (const [i, value] of pixels.entries()) expect(value).toBeCloseTo(i / 23, 6);
    const doubles = encodeNpy('<f8', [1, 1, 2], Float64Array.of(0.1, 1));
    expect((await all(await openImages(await write('d.npy', doubles)))).pixels).toEqual([
      Math.fround(0.1),
      1,
    ]);
  });

  it('has its channels where the classifier needs them', async () => {
    const bytes = encodeNpy(
      '|u1',
      [1, 3, 2, 3],
      Uint8Array.from({ length: 18 }, (_, i) => i),
    );
    const path = await write('x.npy', bytes);
    expect(await inputFailure(openImages(path))).toContain(
      'images are [1,3,2,3], whose channels may be first or last',
    );
    const first = await all(await openImages(path, { shape: { channels: 3, height: 2, width: 3 } }));
    expect(first.pixels.slice(0, 3)).toEqual([0, 1, 2].map((byte) => Math.fround(byte / 255)));
    const last = await openImages(path, { shape: { channels: 3, height: 3, width: 2 } });
    expect((await all(last)).pixels.slice(0, 3)).toEqual([0, 3, 6].map((byte) => Math.fround(byte / 255)));
  });

  it.each([
    [
      'bytes',
      encodeNpy(
        '|u1',
        [5, 2, 3, 3],
        Uint8Array.from({ length: 90 }, (_, i) => 2 * i),
      ),
    ],
    [
      'floats',
      encodeNpy(
        '<f4',
        [5, 3, 2, 3],
        Float32Array.from({ length: 90 }, (_, i) => i / 89),
      ),
    ],
  ])('that is too large for memory is read a part at a time: %s', async (_, bytes) => {
    const path = await write('x.npy', bytes);
    const about = { train: false, shape: { channels: 3, height: 2, width: 3 } };
    const [whole, large] = [(await openNpy(path, about))!.test, (await openNpy(path, about, 10))!.test];
    expect(large.stored).toBeUndefined();
    expect(large.sha256).toBe(whole.sha256);
    expect(await large.read([4, 0, 4])).toEqual(await whole.read([4, 0, 4]));
    await writeFile(path, bytes.subarray(0, -1));
    expect(await inputFailure(large.read([4]))).toBe(`${path}: ends before image 4; restore the file`);
  });
});

describe('arrays that are rejected', () => {
  it.each<[string, Uint8Array, string]>([
    ['in Fortran order', numpyFiles.fortran, 'is in Fortran order; save numpy.ascontiguousarray(array)'],
    [
      'big-endian',
      numpyFiles.bigEndian,
      'has elements of type >f4; save them as uint8, or as float32 in 0..1',
    ],
    ['no npy file', Buffer.from('no npy file'), 'is no npy file; write it with numpy.save'],
    ['with trailing bytes', Buffer.concat([grey, Buffer.of(1)]), '1 trailing bytes'],
    [
      'floats from 0 to 255',
      encodeNpy('<f4', [2, 1, 2], Float32Array.of(0, 1, 0, 255)),
      'values must be in 0..1, got 255 in image 1; scale them to 0..1, or save them as uint8',
    ],
    [
      'not numbers',
      encodeNpy('<f4', [1, 1, 2], Float32Array.of(0, NaN)),
      'values must be in 0..1, got NaN in image 0',
    ],
    [
      'normalised',
      encodeNpy('<f8', [1, 1, 2], Float64Array.of(-0.5, 0)),
      'values must be in 0..1, got -0.5 in image 0',
    ],
    [
      'of integers',
      encodeNpy('<i8', [1, 1, 1], BigInt64Array.of(3n)),
      'images are of type <i8, must be uint8',
    ],
    [
      'of two channels',
      encodeNpy('|u1', [1, 2, 2, 2], new Uint8Array(8)),
      'images are [1,2,2,2], must be [count,height,width]',
    ],
    [
      'of no image',
      encodeNpy('|u1', [0, 2, 2], new Uint8Array(0)),
      'holds no images; at least one is needed',
    ],
    ['flat', encodeNpy('|u1', [2, 784], new Uint8Array(1568)), 'images are [2,784], must be'],
  ])('images %s', async (_, bytes, problem) => {
    const path = await write('x.npy', bytes);
    const message = await inputFailure(openImages(path));
    expect(message).toContain(`${path}: `);
    expect(message).toContain(problem);
  });

  it.each<[string, Uint8Array, string]>([
    [
      'one-hot',
      encodeNpy('<f4', [3, 2], new Float32Array(6)),
      'labels are [3,2], must be [count]; take numpy.argmax',
    ],
    ['too few', encodeNpy('|u1', [2], new Uint8Array(2)), '2 labels for the 3 images of'],
    [
      'negative',
      encodeNpy('|i1', [3], Int8Array.of(0, -1, 0)),
      'labels must be integers in 0..65535, got -1 for image 1',
    ],
    ['fractions', encodeNpy('<f4', [3], Float32Array.of(0, 0.5, 0)), 'got 0.5 for image 1'],
  ])('labels %s', async (_, bytes, problem) => {
    await write('labels.npy', bytes);
    expect(await inputFailure(openImages(await write('x.npy', grey)))).toContain(problem);
  });

  test('images that are truncated, wherever they end', async () => {
    for (let length = 0; length < grey.length; length += 5) {
      const path = await write('x.npy', grey.subarray(0, length));
      expect(await inputFailure(openImages(path))).toMatch(
        /is no npy file|truncated: \d+ bytes, must be \d+; restore the file/,
      );
    }
  });

  test('files that are not there', async () => {
    for (const name of ['x.npy', 'x.npz']) {
      const path = join(folder(), name);
      expect(await inputFailure(openImages(path))).toBe(
        `cannot read ${path}: no such file or folder; check the path`,
      );
    }
  });
});
