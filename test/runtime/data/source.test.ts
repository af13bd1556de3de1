import { describe, expect, it } from 'vitest';
import {
  firstOf,
  inMemory,
  inOrder,
  limit,
  storedSource,
  valuesOf,
  type ImageSource,
} from '../../../src/runtime/data/source.ts';
import { InputError } from '../../../src/runtime/errors.ts';

const shape = { channels: 3, height: 2, width: 1 };
const stored = {
  images: Uint8Array.from({ length: 256 * valuesOf(shape) }, (_, i) => i % 256),
  labels: Int32Array.from({ length: 256 }, (_, i) => 2 * i),
};
const classes = Array.from({ length: 512 }, (_, label) => `class ${label}`);
const whole = storedSource({ name: 'made up', shape, classes, sha256: 'abc' }, stored);
const { stored: _, ...unstored } = whole;

describe('reading', () => {
  it('gives pixels in 0..1 and labels, in the order asked for', async () => {
    const { image, label } = await whole.read([2, 0, 2]);
    expect(image.shape).toEqual([3, 3, 2, 1]);
    const bytes = [12, 13, 14, 15, 16, 17, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17];
    expect(image.data).toEqual(Float32Array.from(bytes, (byte) => byte / 255));
    expect(label).toEqual({ dtype: 'int32', shape: [3], data: Int32Array.of(4, 0, 4) });
  });

  it('in order takes every image once, a batch at a time', async () => {
    const asked: number[][] = [];
    const source: ImageSource = {
      ...unstored,
      read: (indices) => {
        asked.push(Array.from(indices));
        return whole.read(indices);
      },
    };
    const labels: number[] = [];
    for await (const { start, label } of inOrder(source, 100)) {
      expect(start).toBe(labels.length);
      labels.push(...(label.data as Int32Array));
    }
    expect(labels).toEqual([...stored.labels]);
    expect(asked.map(({ length }) => length)).toEqual([100, 100, 56]);
  });

  it('the first gives no more than there are', async () => {
    expect((await firstOf(whole, 3)).label.data).toEqual(Int32Array.of(0, 2, 4));
    expect((await firstOf(limit(whole, 2), 3)).label.data).toEqual(Int32Array.of(0, 2));
  });
});

describe('a source in memory', () => {
  it('holds the bytes that were read', async () => {
    const source = await inMemory(unstored);
    expect(source.stored).toEqual(stored);
    expect(source).toMatchObject({ name: 'made up', shape, classes, sha256: 'abc', count: 256 });
  });
});

describe('limit', () => {
  it('takes the first examples, as views', () => {
    const some = limit(whole, 7);
    expect(some).toMatchObject({ name: 'made up', shape, classes, sha256: 'abc', count: 7 });
    expect(some.stored).toEqual({
      images: stored.images.subarray(0, 42),
      labels: stored.labels.subarray(0, 7),
    });
    expect(some.stored.images.buffer).toBe(stored.images.buffer);
  });

  it('reads no more than is asked for, where the images are not in memory', async () => {
    const some = limit(unstored, 7);
    expect(some).toMatchObject({ name: 'made up', shape, classes, sha256: 'abc', count: 7 });
    expect(await some.read([6])).toEqual(await whole.read([6]));
  });

  it('may take all of them', () => {
    expect(limit(whole, 256).stored).toEqual(stored);
  });

  it.each([257, 0, -1, 2.5, Number.NaN])('rejects %d and names both numbers', (n) => {
    expect(() => limit(whole, n)).toThrow(
      new InputError(`the limit must be an integer in 1..256, the examples there are; got ${n}`),
    );
  });
});
