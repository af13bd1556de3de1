import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectedData, formats, loadDataset, openImages } from '../../../src/runtime/data/formats.ts';
import { inputFailure } from '../../support/failure.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';
import { writePictures } from '../../support/pictures.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-formats-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('the formats of data sets', () => {
  it('leave alone what is none of theirs', async () => {
    await writeFile(join(folder, 'notes.txt'), 'no data');
    for (const { open } of Object.values(formats)) expect(await open(folder, { train: true })).toBeNull();
    expect(await inputFailure(loadDataset(folder))).toBe(
      `${folder} holds no data set of a known format; expected ${expectedData}`,
    );
  });

  it('are named, each of them, where there is nothing to read', async () => {
    const message = await inputFailure(loadDataset(join(folder, 'nothing')));
    for (const { expects } of Object.values(formats)) expect(message).toContain(expects);
  });

  it('are told by the content of a folder, not by its name', async () => {
    const path = join(folder, 'mnist');
    await mkdir(path);
    await writeIdxFolder(path, { train: examples(12), test: examples(11) });
    expect(await formats.mnist.open(path, { train: true })).toBeNull();
    expect((await loadDataset(path)).test.count).toBe(11);
  });
});

describe('the images to measure with', () => {
  const digits = { channels: 1, height: 28, width: 28 };
  const write = (): Promise<void> => writeIdxFolder(folder, { train: examples(12), test: examples(11) });

  it('are the test images of a data set with two parts', async () => {
    await write();
    const images = await openImages(folder, { shape: digits, classes: 10 });
    expect(images).toMatchObject({ count: 11, classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] });
    expect(images.labels).toBeUndefined();
  });

  it('have the names of the classifier where they have none', async () => {
    await write();
    const classes = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'];
    expect((await openImages(folder, { classes })).classes).toEqual(classes);
  });

  it('may be the first, or drawn by a seed', async () => {
    await write();
    const all = await openImages(folder);
    const first = await openImages(folder, { count: 3 });
    expect(await first.read([2])).toEqual(await all.read([2]));
    expect(first.stored).toBeDefined();
    const drawn = await openImages(folder, { count: 3, seed: 2 });
    expect(drawn).toMatchObject({ count: 3, sha256: all.sha256 });
    const labels = async (seed: number): Promise<unknown> =>
      (await (await openImages(folder, { count: 5, seed })).read([0, 1, 2, 3, 4])).label.data;
    expect(await labels(2)).toEqual(await labels(2));
    expect(await labels(2)).not.toEqual(await labels(3));
    expect((await openImages(folder, { count: 1000, seed: 2 })).count).toBe(11);
  });

  it('are from a folder of pictures, in whatever size the classifier takes', async () => {
    await writePictures(folder, { perClass: 2, format: 'webp' });
    for (const shape of [digits, { channels: 3, height: 64, width: 96 }]) {
      expect((await openImages(folder, { shape })).shape).toEqual(shape);
    }
  });

  it.each([
    [
      'of another size',
      { shape: { channels: 3, height: 32, width: 32 } },
      'images of 1x28x28 (channels x height x width), the classifier takes 3x32x32; resize them',
    ],
    [
      'in grey for a classifier of colours',
      { shape: { ...digits, channels: 3 } },
      'images of 1x28x28 (channels x height x width), the classifier takes 3x28x28; open the classifier with channels grey',
    ],
    ['of more classes', { classes: 7 }, 'has 10 classes, the classifier has 7; name data of its classes'],
    ['with options of pictures', { resize: 32 }, 'resize does not go with this data set; leave it out'],
    [
      'with labels of their own',
      { labels: 'labels.csv' },
      'labels does not go with this data set; leave it out',
    ],
  ])('are rejected %s', async (_, options, problem) => {
    await write();
    expect(await inputFailure(openImages(folder, options))).toMatch(`${folder}: ${problem}`);
  });

  it.each([
    [{ count: 0 }, 'count must be a positive integer, got 0'],
    [{ count: 2.5 }, 'count must be a positive integer, got 2.5'],
    [{ seed: -1 }, 'seed must be an integer from 0 on, got -1'],
  ])('are not so many: %j', async (options, message) => {
    expect(await inputFailure(openImages('mnist', options))).toBe(message);
  });
});
