import { expect, it } from 'vitest';
import { attackOf, drawsOf, toEnd, type Batch, type Images } from '../../../src/runtime/attacks/index.ts';
import { checkpointsOf } from '../../../src/runtime/attacks/auto-pgd.ts';
import { stream } from '../../../src/runtime/random.ts';
import { drawnBatch, oracleOf, smallClassifier } from '../../support/oracles.ts';
import { planes } from '../../support/planes.ts';
import '../../support/run.ts';

const image = { channels: 1, height: 4, width: 4 };
const random = stream(3, 'apgd');
const weights = [0, 1].map(() => Array.from({ length: 16 }, random.normal));
const count = 5;
const images: Images = {
  data: Float32Array.from({ length: count * 16 }, random.uniform),
  shape: [count, 1, 4, 4],
};
const places = Int32Array.from({ length: count }, (_, i) => i);
const threat = { norm: 'linf', eps: 0.01, range: [0, 1], goal: 'untargeted' } as const;
const settings = { loss: 'ce', steps: 20, restarts: 1 } as const;

/** The images with their answers as labels. */
async function rightBatch(oracle: ReturnType<typeof planes>): Promise<Batch> {
  const { data } = await oracle.logits(images);
  return { images, labels: places.map((i) => (data[2 * i + 1]! > data[2 * i]! ? 1 : 0)), places };
}

it('has the checkpoints that its paper lists for 100 steps', () => {
  expect([...checkpointsOf(100)]).toEqual([22, 41, 57, 70, 80, 87, 93, 99]);
});

it.each([1, 2, 5])('has a checkpoint now and then in %d steps', (steps) => {
  expect([...checkpointsOf(steps)]).toEqual(Array.from({ length: steps }, (_, i) => i + 1));
});

it('takes the same way on the gap as on the cross-entropy', async () => {
  // 50 between the classes: the cross-entropy is far from rounding to 0, the images are never fooled
  const oracle = planes(image, weights);
  const batch = await rightBatch(oracle);
  const run = (of: typeof oracle, norm: 'linf' | 'l2'): Promise<Images> =>
    toEnd(attackOf('apgd').run(of, batch, { ...threat, norm }, settings, drawsOf(1, 'apgd')));
  const byCrossEntropy: typeof oracle = { ...oracle, gradient: (part) => oracle.gradient!(part, 'ce') };
  expect(await run(oracle, 'linf')).toEqual(await run(byCrossEntropy, 'linf'));
  const [gap, ce] = [await run(oracle, 'l2'), await run(byCrossEntropy, 'l2')];
  expect(gap.data).toBeAllClose([...ce.data], { atol: 1e-5 });
});

it('ends in the corner of the ball where a linear loss is largest', async () => {
  const oracle = planes(image, weights);
  const batch = await rightBatch(oracle);
  const found = await toEnd(
    attackOf('apgd').run(oracle, batch, { ...threat, range: null }, settings, drawsOf(1, 'apgd')),
  );
  const corner = images.data.map((x, at) => {
    const way = batch.labels[Math.floor(at / 16)] === 0 ? 1 : -1;
    return x + Math.fround(threat.eps) * way * Math.sign(weights[1]![at % 16]! - weights[0]![at % 16]!);
  });
  expect(found.data).toEqual(corner);
});

it.each(['apgd', 'apgd-t'] as const)('%s asks no more about an image that reaches the goal', async (name) => {
  const oracle = planes(image, weights);
  const batch = await rightBatch(oracle);
  // all are wrong after a step in so large a ball; each takes its start and a few steps
  const wide = { ...threat, eps: 1 };
  const draws = drawsOf(1, name);
  const all = { loss: 'dlr', steps: 100, targets: 9, restarts: 3 } as const;
  const found = await toEnd(attackOf(name).run(oracle, batch, wide, all as never, draws));
  const { data } = await oracle.logits(found);
  for (const i of places) expect(data[2 * i + 1]! > data[2 * i]!).toBe(batch.labels[i] === 0);
  expect(oracle.asked().backward).toBeLessThan(5 * count);
});

it('does not take the logits of the gradient graph for those of the classifier', async () => {
  const oracle = planes(image, weights);
  const batch = await rightBatch(oracle);
  const lying: typeof oracle = {
    ...oracle,
    async gradient(part, loss) {
      const slope = await oracle.gradient!(part, loss);
      return { ...slope, logits: { ...slope.logits, data: slope.logits.data.map((z) => -z) } };
    },
  };
  const run = (of: typeof oracle): Promise<Images> =>
    toEnd(attackOf('apgd').run(of, batch, threat, settings, drawsOf(1, 'apgd')));
  expect(await run(lying)).toEqual(await run(oracle));
});

it.each([2, 3, 4])('takes a loss that %d classes allow', async (classes) => {
  const shape = { channels: 1, height: 6, width: 6 };
  const oracle = await oracleOf(smallClassifier(stream(9, 'few'), shape, classes), shape);
  const batch = drawnBatch(9, 3, shape, classes);
  const all = { loss: 'dlr', steps: 3, targets: 9, restarts: 1 } as const;
  for (const name of ['apgd', 'apgd-t'] as const) {
    for (const goal of attackOf(name).goals) {
      const work = attackOf(name).run(oracle, batch, { ...threat, goal }, all as never, drawsOf(1, name));
      expect((await toEnd(work)).shape).toEqual(batch.images.shape);
    }
  }
  await oracle.close();
});
