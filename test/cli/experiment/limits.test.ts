import { expect, test } from 'vitest';
import { lacking } from '../../../src/cli/experiment/prepare.ts';
import { limit, storedSource, type StoredSource } from '../../../src/runtime/data/source.ts';

const labelled = (labels: readonly number[]): StoredSource =>
  storedSource(
    {
      name: 'some',
      classes: ['a', 'b', 'c'],
      sha256: '0'.repeat(64),
      shape: { channels: 1, height: 1, width: 1 },
    },
    { images: new Uint8Array(labels.length), labels: Int32Array.from(labels) },
  );

test('a limit that leaves out classes of sorted data is said', () => {
  const all = { train: labelled([0, 0, 0, 1, 1, 2]), test: labelled([2, 1, 0, 0]) };
  expect(lacking(all, { ...all, train: limit(all.train, 3) })).toEqual([
    '--train-limit 3: the first 3 images have none of class 1, 2; take more of them, or data in a random order',
  ]);
  expect(lacking(all, { train: limit(all.train, 6), test: limit(all.test, 3) })).toEqual([]);
  expect(lacking(all, { ...all, test: limit(all.test, 1) })).toEqual([
    '--test-limit 1: the first 1 images have none of class 0, 1; take more of them, or data in a random order',
  ]);
});
