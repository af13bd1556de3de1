import { describe, expect, it } from 'vitest';
import { loadDataset } from '../../../src/runtime/data/formats.ts';

describe('MNIST', () => {
  it('is the data set everyone means', async () => {
    const { name, train, test, sha256 } = await loadDataset('mnist');
    expect(name).toBe('mnist');
    expect(sha256).toBe('b2d8f5bf39174ee5ffeefa97e42d673c35432b411bb5d1f74fbbeddae7f1690a');
    const shape = { channels: 1, height: 28, width: 28 };
    expect(train).toMatchObject({ count: 60_000, shape });
    expect(test).toMatchObject({ count: 10_000, shape });
    expect(test.classes).toHaveLength(10);
    expect([...train.stored!.labels.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    expect([...test.stored!.labels.subarray(0, 10)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9]);

    const histogram = Array.from({ length: 10 }, () => 0);
    for (const label of train.stored!.labels) histogram[label]!++;
    expect(histogram).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);

    const { images } = train.stored!;
    const mean = images.reduce((sum, pixel) => sum + pixel, 0) / images.length / 255;
    expect(mean).toBeCloseTo(0.1307, 4);
  });
});
