import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import type { ImageOptions, Wanted } from '../../../src/runtime/data/dataset.ts';
import { openFolder } from '../../../src/runtime/data/folder.ts';
import { loadDataset, openImages } from '../../../src/runtime/data/formats.ts';
import { inOrder, type ImageSource } from '../../../src/runtime/data/source.ts';
import { inputFailure } from '../../support/failure.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { pictureClasses, writePictures } from '../../support/pictures.ts';

const folder = temporaryFolder();
const shape = { channels: 3, height: 32, width: 32 };

/** Writes a picture of 2x2 pixels of one colour. */
async function writeColour(
  path: string,
  colour: readonly [number, number, number],
  side: number = 2,
): Promise<void> {
  const png = new PNG({ width: side, height: side });
  png.data = Buffer.from(Array.from({ length: side * side }, () => [...colour, 255]).flat());
  await mkdir(dirname(join(folder(), path)), { recursive: true });
  await writeFile(join(folder(), path), PNG.sync.write(png));
}

const labelsOf = async (images: ImageSource): Promise<readonly number[]> => {
  const labels: number[] = [];
  for await (const { label } of inOrder(images, 7)) labels.push(...(label.data as Int32Array));
  return labels;
};

/** The red of the first pixel of each image, 0 to 255. */
async function redOf(images: ImageSource): Promise<readonly number[]> {
  const { image } = await images.read(Array.from({ length: images.count }, (_, i) => i));
  const size = image.data.length / images.count;
  return Array.from({ length: images.count }, (_, i) => Math.round(255 * Number(image.data[i * size])));
}

const wanted = (options: ImageOptions = {}): Wanted => ({ ...options, train: false });

describe('a folder of pictures', () => {
  it('has a folder for each class, and gives one of each in turn', async () => {
    await writePictures(folder());
    const images = await openImages(folder(), { shape });
    expect(images).toMatchObject({ count: 60, shape, classes: pictureClasses });
    expect(images.labels).toBeUndefined();
    expect((await labelsOf(images)).slice(0, 6)).toEqual([0, 1, 2, 0, 1, 2]);
    expect(images.names!.slice(0, 4)).toEqual([
      'circle/00.png',
      'square/00.png',
      'triangle/00.png',
      'circle/01.png',
    ]);
    const { image } = await images.read([0, 59]);
    expect(image.shape).toEqual([2, 3, 32, 32]);
  });

  it('gives red, green and blue as they are', async () => {
    await writeColour('a/1.png', [255, 0, 51]);
    const { image } = await (await openImages(folder())).read([0]);
    expect([...image.data].map(Number)).toEqual(
      [1, 1, 1, 1, 0, 0, 0, 0, 0.2, 0.2, 0.2, 0.2].map(Math.fround),
    );
  });

  it('may have folders in its class folders, links, hidden files and notes', async () => {
    await writeColour('a/deep/er/1.PNG', [1, 0, 0]);
    await writeColour('b/2.png', [2, 0, 0]);
    await symlink(join(folder(), 'b'), join(folder(), 'c'));
    await symlink('../../a', join(folder(), 'a', 'deep', 'up'));
    for (const name of ['.DS_Store', 'b/._2.png', 'b/notes.txt'])
      await writeFile(join(folder(), name), 'no picture');
    const images = await openImages(folder());
    expect(images.names).toEqual(['a/deep/er/1.PNG', 'b/2.png', 'c/2.png']);
    expect(images.classes).toEqual(['a', 'b', 'c']);
  });

  it('counts a class without pictures', async () => {
    await writeColour('b/1.png', [1, 0, 0]);
    await mkdir(join(folder(), 'a'));
    expect(await labelsOf(await openImages(folder()))).toEqual([1]);
  });

  it('may have its labels in a file, which alone says what belongs to it', async () => {
    for (const name of ['x', 'y', 'z']) await writeColour(`${name}.png`, [name.charCodeAt(0), 0, 0]);
    await writeFile(join(folder(), 'labels.csv'), 'file,label\nz.png,cat\nx.png,dog\n');
    const images = await openImages(folder(), { classes: ['dog', 'bird', 'cat'] });
    expect(images.names).toEqual(['z.png', 'x.png']);
    expect(await labelsOf(images)).toEqual([2, 0]);
    expect(await redOf(images)).toEqual([122, 120]);
    const elsewhere = join(folder(), 'other.json');
    await writeFile(elsewhere, '{ "y.png": 1 }');
    expect(await labelsOf(await openImages(folder(), { labels: elsewhere, classes: 3 }))).toEqual([1]);
  });

  it('without labels says so, and no label is one', async () => {
    for (const name of ['x', 'y']) await writeColour(`${name}.png`, [0, 0, 0]);
    const images = await openImages(folder(), { classes: 10 });
    expect(images).toMatchObject({ labels: 'unknown', count: 2 });
    expect(await labelsOf(images)).toEqual([-1, -1]);
    expect(await inputFailure(loadDataset(folder()))).toContain('has no images to train on');
  });

  it('is grey where the classifier is, or all pictures are', async () => {
    await writeColour('a/1.png', [255, 0, 0]);
    const grey = { channels: 1, height: 2, width: 2 };
    // Pillow 11.3: Image.new('RGB', (2, 2), (255, 0, 0)).convert('L') is 76
    expect(await redOf(await openImages(folder(), { shape: grey }))).toEqual([76]);
  });
});

describe('a folder with parts', () => {
  it.each(['test', 'val'])(
    'measures with %s and trains with train, which have the same classes',
    async (name) => {
      await writeColour(`${name}/b/1.png`, [1, 0, 0]);
      await writeColour('train/a/2.png', [2, 0, 0]);
      await writeColour('train/b/3.png', [3, 0, 0]);
      const images = await openImages(folder());
      expect(images).toMatchObject({ count: 1, classes: ['b'] });
      const { train, test } = await loadDataset(folder());
      expect([train.classes, test.classes]).toEqual([
        ['a', 'b'],
        ['a', 'b'],
      ]);
      expect([await labelsOf(train), await labelsOf(test)]).toEqual([[0, 1], [1]]);
      expect(train.stored!.images[0]).toBe(2);
    },
  );

  it('needs pictures to measure with', async () => {
    await writeColour('train/a/2.png', [2, 0, 0]);
    expect(await inputFailure(openImages(folder()))).toBe(
      `${folder()}: has train, but neither test nor val; name ${join(folder(), 'train')} itself`,
    );
    expect((await openImages(join(folder(), 'train'))).count).toBe(1);
  });

  it('has none where train is a class', async () => {
    await writeColour('train/2.png', [2, 0, 0]);
    await writeColour('car/2.png', [2, 0, 0]);
    expect((await openImages(folder())).classes).toEqual(['car', 'train']);
  });
});

describe('a part of the pictures', () => {
  it('is the first of each class, or drawn by a seed', async () => {
    await writePictures(folder());
    const six = await openImages(folder(), { shape, count: 6 });
    expect(await labelsOf(six)).toEqual([0, 1, 2, 0, 1, 2]);
    const drawn = await openImages(folder(), { shape, count: 6, seed: 1 });
    expect(drawn.names).toEqual((await openImages(folder(), { shape, count: 6, seed: 1 })).names);
    expect(drawn.names).not.toEqual(six.names);
    expect(new Set(drawn.names).size).toBe(6);
    expect(drawn.sha256).not.toBe(six.sha256);
  });

  it('is all that is read', async () => {
    await writePictures(folder());
    await writeFile(join(folder(), 'square', '19.png'), 'no picture');
    expect((await openImages(folder(), { shape, count: 3 })).count).toBe(3);
  });
});

describe('pictures that are too many for memory', () => {
  it('are read when they are asked for, and are the same', async () => {
    await writePictures(folder(), { perClass: 4, format: 'jpeg' });
    const whole = (await openFolder(folder(), wanted({ shape })))!.test;
    const large = (await openFolder(folder(), wanted({ shape }), 1000))!.test;
    expect(whole.stored).toBeDefined();
    expect(large.stored).toBeUndefined();
    expect(large).toMatchObject({ count: 12, names: whole.names, sha256: whole.sha256 });
    expect(await large.read([11, 0, 11, 5])).toEqual(await whole.read([11, 0, 11, 5]));
  });

  it('are missed when they change or go', async () => {
    for (const name of ['a/1.png', 'b/2.png']) await writeColour(name, [1, 0, 0]);
    const { test } = (await openFolder(folder(), wanted(), 1))!;
    await writeColour('a/1.png', [2, 0, 0]);
    expect(await inputFailure(test.read([0]))).toBe(
      `${join(folder(), 'a/1.png')} has changed since it was first read; restore it`,
    );
    await rm(join(folder(), 'b/2.png'));
    expect(await inputFailure(test.read([0, 1, 1]))).toMatch(/has changed|cannot be read/);
    expect(await inputFailure(test.read([1]))).toBe(
      `${join(folder(), 'b/2.png')} cannot be read: no such file or folder; check the path`,
    );
  });
});

describe('the hash', () => {
  it('is the same for the same pictures', async () => {
    for (const name of ['one', 'two']) await writePictures(join(folder(), name));
    const [one, two] = [
      await openImages(join(folder(), 'one'), { shape }),
      await openImages(join(folder(), 'two'), { shape }),
    ];
    expect(one.sha256).toBe(two.sha256);
    expect(one.stored!.images.every((byte, i) => byte === two.stored!.images[i])).toBe(true);
  });

  it('is of names, labels and bytes', async () => {
    await writeColour('a/1.png', [1, 0, 0]);
    await writeColour('b/2.png', [2, 0, 0]);
    const hash = async (): Promise<string> => (await openImages(folder())).sha256;
    const hashes = [await hash()];
    expect(await hash()).toBe(hashes[0]);
    await writeColour('a/1.png', [1, 0, 1]);
    hashes.push(await hash());
    await rename(join(folder(), 'a/1.png'), join(folder(), 'a/3.png'));
    hashes.push(await hash());
    await mkdir(join(folder(), '0'));
    hashes.push(await hash());
    expect(new Set(hashes).size).toBe(4);
  });
});

describe('bad pictures', () => {
  async function writeBad(): Promise<void> {
    await writeColour('a/1.png', [1, 0, 0], 8);
    await writeColour('b/2.png', [2, 0, 0], 8);
    await truncate(join(folder(), 'b/2.png'), 50);
    await writeFile(join(folder(), 'b/3.jpg'), 'no picture');
    await writeFile(join(folder(), 'b/4.tif'), '');
  }
  const size = { channels: 3, height: 8, width: 8 };

  it('are named, each with its reason', async () => {
    await writeBad();
    const message = await inputFailure(openImages(folder(), { shape: size }));
    expect(message).toMatch(`${folder()}: 3 pictures cannot be used: b/2.png is damaged or truncated (`);
    expect(message).toContain('b/3.jpg is no PNG, JPEG or WebP; convert it, b/4.tif is empty; restore it');
  });

  it('may be skipped, and are listed then', async () => {
    await writeBad();
    const images = await openImages(folder(), { shape: size, onBad: 'skip' });
    expect(images).toMatchObject({ count: 1, names: ['a/1.png'] });
    expect(images.skipped!.map(({ name }) => name)).toEqual(['b/2.png', 'b/3.jpg', 'b/4.tif']);
    expect(images.skipped![1]!.reason).toBe('is no PNG, JPEG or WebP; convert it');
  });

  it('are too bad when they are all', async () => {
    await writeBad();
    await rm(join(folder(), 'a/1.png'));
    expect(await inputFailure(openImages(folder(), { shape: size, onBad: 'skip' }))).toContain(
      '3 pictures cannot be used',
    );
  });

  it('are of another size than the first where nobody says which', async () => {
    await writeColour('a/1.png', [1, 0, 0], 8);
    await writeColour('a/2.png', [1, 0, 0], 9);
    expect(await inputFailure(openImages(folder()))).toContain(
      'a/2.png is 3x9x9 (channels x height x width), the first picture is 3x8x8 (channels x height x width); make them alike',
    );
  });

  it('are files of labels that name what is not there', async () => {
    await writeColour('a.png', [1, 0, 0]);
    await writeFile(join(folder(), 'labels.csv'), 'a.png,0\nb.png,1\n');
    expect(await inputFailure(openImages(folder()))).toContain(
      'b.png cannot be read: no such file or folder',
    );
  });

  it('are pictures beside class folders', async () => {
    await writeColour('a.png', [1, 0, 0]);
    await writeColour('b/b.png', [1, 0, 0]);
    expect(await inputFailure(openImages(folder()))).toBe(
      `${folder()}: has pictures beside its class folders, such as a.png; move them into one, or add labels.csv`,
    );
  });
});
