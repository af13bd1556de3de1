import { expect, it } from 'vitest';
import { measureAttacker } from '../../../src/runtime/attacker/measure.ts';
import { toEnd, type Images, type Oracle } from '../../../src/runtime/attacks/index.ts';
import { sourceOf } from '../../support/idx.ts';

it('aims at nine other classes at most', async () => {
  const image = { channels: 1, height: 1, width: 2 };
  const classes = 12;
  const aims: number[] = [];
  const oracle: Oracle = {
    image,
    classes,
    logits: async ({ shape: [count] }: Images) => ({
      data: new Float32Array(count * classes),
      shape: [count, classes],
    }),
    generator: {
      eps: 0.1,
      targeted: true,
      async perturbation(images, _, targets) {
        aims.push(...targets!);
        return images;
      },
    },
  };
  const source = sourceOf({ images: new Uint8Array(2), labels: Int32Array.of(10) }, image, classes);
  const { success } = await toEnd(measureAttacker(oracle, 'generator', source, 0.1));
  expect(aims).toEqual([11, 0, 1, 2, 3, 4, 5, 6, 7]);
  // the classifier always answers the first class
  expect(success).toBeCloseTo(1 / 9, 12);
});
