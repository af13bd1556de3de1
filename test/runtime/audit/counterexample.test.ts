import { expect, test } from 'vitest';
import type { Gradient, Images, Oracle } from '../../../src/runtime/attacks/index.ts';
import { searchCube, type Stage } from '../../../src/runtime/audit/counterexample.ts';

/** Pixels x, y in 0..1 are not of class 0 where both are 0.9 or more. */
const least = ([x, y]: readonly number[]): number => Math.min(x! - 0.9, y! - 0.9);

const rows = ({ data, shape: [count] }: Images): readonly (readonly number[])[] =>
  Array.from({ length: count }, (_, i) => [...data.subarray(2 * i, 2 * i + 2)]);

/** Answers that are `below` less than they are. */
const answers = (images: Images, below = 0) => ({
  data: Float32Array.from(rows(images).flatMap((row) => [0, least(row) - below])),
  shape: [images.shape[0], 2] as const,
});

const oracle: Oracle = {
  image: { channels: 1, height: 1, width: 2 },
  classes: 2,
  logits: (images) => Promise.resolve(answers(images)),
};

/** Of both conditions at once. What it answers is far from a counterexample everywhere. */
const soft: Gradient = ({ images }) =>
  Promise.resolve({
    logits: answers(images, 10),
    loss: Float32Array.from(rows(images), ([x, y]) => x! + y!),
    gradient: { data: images.data.map(() => 1), shape: images.shape },
  });

const stage: Stage = {
  use: { attack: 'apgd', settings: { loss: 'margin', steps: 10, restarts: 1 } },
  rows: 2,
  goal: 'untargeted',
  slope: 'soft',
  from: 'middle',
};
const search = (more: object): Promise<Float32Array | null> =>
  searchCube(oracle, [stage], async (image) => least([...image]) >= 0, { seed: 1, until: Infinity, ...more });

test('a soft stage follows the soft gradient, and looks at what the classifier itself answers', async () => {
  const found = await search({ soft });
  expect(least([...found!])).toBeGreaterThanOrEqual(0);
});

test('a soft stage is left out where there is no soft gradient', async () => {
  expect(await search({})).toBeNull();
});
