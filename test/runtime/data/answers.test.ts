import { describe, expect, it } from 'vitest';
import type { Images, Logits } from '../../../src/runtime/attacks/index.ts';
import { labelledBy } from '../../../src/runtime/data/answers.ts';
import { storedSource, type ImageSource } from '../../../src/runtime/data/source.ts';
import { inputFailure } from '../../support/failure.ts';

const shape = { channels: 1, height: 1, width: 1 };
const unlabelled = storedSource(
  {
    name: 'pictures',
    shape,
    classes: [],
    sha256: 'abc',
    labels: 'unknown',
    names: ['a.png', 'b.png', 'c.png'],
  },
  { images: Uint8Array.of(0, 255, 51), labels: Int32Array.of(-1, -1, -1) },
);

/** Whether a pixel is bright. */
const classifier = {
  classes: 2,
  logits: ({ data }: Images): Promise<Logits> =>
    Promise.resolve({
      data: Float32Array.from([...data].flatMap((x) => [1 - x, x])),
      shape: [data.length, 2],
    }),
};

describe("a classifier's own answers", () => {
  it('are the labels of images that have none, and the source says so', async () => {
    const { stored, ...rest } = unlabelled;
    const large: ImageSource = rest;
    for (const source of [unlabelled, large]) {
      const labelled = await labelledBy(source, classifier, ['dark', 'bright']);
      expect(labelled).toMatchObject({
        labels: 'answers',
        classes: ['dark', 'bright'],
        count: 3,
        sha256: 'abc',
      });
      const { image, label } = await labelled.read([1, 0, 2]);
      expect(label.data).toEqual(Int32Array.of(1, 0, 0));
      expect(image.data).toEqual(Float32Array.of(1, 0, 0.2));
      expect(labelled.stored === undefined).toBe(source.stored === undefined);
    }
    expect((await labelledBy(unlabelled, classifier)).classes).toEqual(['0', '1']);
    expect(stored.labels).toEqual(Int32Array.of(-1, -1, -1));
  });

  it('must be numbers', async () => {
    const broken = {
      classes: 2,
      logits: ({ data }: Images): Promise<Logits> =>
        Promise.resolve({ data: Float32Array.of(0, 1, NaN, 1, 0, 1), shape: [data.length, 2] }),
    };
    expect(await inputFailure(labelledBy(unlabelled, broken))).toBe(
      'pictures: the logits of b.png are not all numbers; check the classifier',
    );
  });
});
