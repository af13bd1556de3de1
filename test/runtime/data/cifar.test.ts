import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadDataset, openImages } from '../../../src/runtime/data/formats.ts';
import { inputFailure } from '../../support/failure.ts';
import { temporaryFolder } from '../../support/folder.ts';

const folder = temporaryFolder();

/** Records as the page of CIFAR describes them: the labels, then 3072 bytes. */
const records = (...labels: readonly (readonly number[])[]): Uint8Array =>
  Buffer.concat(
    labels.map((own, i) =>
      Buffer.from([...own, ...Array.from({ length: 3072 }, (_, at) => (at * 31 + i * 7) % 256)]),
    ),
  );

const write = (name: string, content: Uint8Array | string): Promise<void> =>
  writeFile(join(folder(), name), content);

async function writeCifar10(): Promise<void> {
  for (const batch of [1, 2, 3, 4, 5]) await write(`data_batch_${batch}.bin`, records([batch], [9]));
  await write('test_batch.bin', records([3], [0], [9]));
  await write('batches.meta.txt', 'airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n');
}

describe('CIFAR', () => {
  it('-10 has five training files and one to measure with', async () => {
    await writeCifar10();
    const { train, test } = await loadDataset(folder());
    expect([...train.stored!.labels]).toEqual([1, 9, 2, 9, 3, 9, 4, 9, 5, 9]);
    expect(test).toMatchObject({ count: 3, shape: { channels: 3, height: 32, width: 32 } });
    expect(test.classes[3]).toBe('cat');
    const { image, label } = await test.read([1]);
    expect(label.data).toEqual(Int32Array.of(0));
    expect(image.data).toEqual(Float32Array.from({ length: 3072 }, (_, at) => ((at * 31 + 7) % 256) / 255));
  });

  it('-100 has a coarse label that does not count', async () => {
    await write('test.bin', records([19, 99], [0, 7]));
    const images = await openImages(folder());
    expect([...images.stored!.labels]).toEqual([99, 7]);
    expect(images.classes).toHaveLength(100);
    expect(images.sha256).toBe(
      createHash('sha256')
        .update(records([19, 99], [0, 7]))
        .digest('hex'),
    );
    expect((await images.read([0])).image.data[1]).toBe(Math.fround(31 / 255));
  });

  it('may be its test images alone', async () => {
    await write('test_batch.bin', records([3]));
    expect((await openImages(folder())).count).toBe(1);
    expect(await inputFailure(loadDataset(folder()))).toBe(
      `${folder()}: has no images to train on; name a data set with both parts, such as train and test`,
    );
  });

  it('does not read what is not wanted', async () => {
    await writeCifar10();
    await write('data_batch_2.bin', 'damaged');
    expect((await openImages(folder())).count).toBe(3);
    expect(await inputFailure(loadDataset(folder()))).toContain(
      'data_batch_2.bin: 7 bytes, must be records of 3073',
    );
  });

  it.each<[string, string, Uint8Array | string, string]>([
    [
      'ends in a record',
      'test_batch.bin',
      records([3]).subarray(0, -1),
      '3072 bytes, must be records of 3073; download the file again',
    ],
    ['is empty', 'test_batch.bin', '', '0 bytes, must be records of 3073'],
    [
      'has a label too large',
      'test_batch.bin',
      records([3], [10]),
      'labels must be 0..9, got 10 for image 1',
    ],
    [
      'has too few names',
      'batches.meta.txt',
      'cat\ndog\n',
      '2 names, must be 10, one a line; restore the file',
    ],
  ])('rejects a file that %s', async (_, name, content, problem) => {
    await writeCifar10();
    await write(name, content);
    const message = await inputFailure(openImages(folder()));
    expect(message).toContain(`${join(folder(), name)}: `);
    expect(message).toContain(problem);
  });

  it('rejects the version for Python', async () => {
    for (const name of ['data_batch_1', 'test_batch', 'batches.meta']) await write(name, 'pickled');
    expect(await inputFailure(openImages(folder()))).toBe(
      `${folder()}: is the Python version of CIFAR-10; download the binary version`,
    );
  });
});
