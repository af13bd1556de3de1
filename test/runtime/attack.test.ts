import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attackStepModel } from '../../src/models/attacks.ts';
import { fgsm, pgd, startsOf, type Target } from '../../src/runtime/attack.ts';
import type { Batch } from '../../src/runtime/batches.ts';
import { stream } from '../../src/runtime/random.ts';
import { scoresOf } from '../../src/runtime/score.ts';
import { openModel, type Model } from '../../src/runtime/session.ts';
import type { Graph } from '../../src/builder/index.ts';
import { drawnClassifier, fileOf, linearClassifier, pixels } from '../support/classifiers.ts';
import { between, drawn, numbers, whole } from '../support/run.ts';

const options = { device: 'cpu', threads: 1 } as const;
const count = 6;
const random = stream(4, 'attack');
const batch: Batch = {
  // a third of the pixels black and a third white, as digits have them
  image: drawn('float32', [count, 1, 28, 28], () =>
    Math.min(1, Math.max(0, between(random, -1, 2)())),
  ) as Batch['image'],
  label: drawn('int32', [count], whole(random, 0, 9)) as Batch['label'],
};
const open: Model[] = [];

async function targetOf(graph: Graph): Promise<Target> {
  const step = await openModel(attackStepModel(graph, 'cpu'), options);
  const classifier = await openModel(fileOf(graph), options);
  open.push(step, classifier);
  return { step, classifier };
}

const weight = Array.from({ length: pixels * 10 }, between(random, -1, 1));
let linear: Target;
let deep: Target;
beforeAll(async () => {
  linear = await targetOf(linearClassifier(weight, 10));
  deep = await targetOf(drawnClassifier(stream(4, 'attack', 'deep')));
});
afterAll(async () => {
  for (const model of open) await model.close();
});

const losses = async ({ classifier }: Target, image: Batch['image']) => {
  const { logits } = await classifier.run({ image });
  return [...scoresOf(logits!.data as Float32Array, batch.label.data as Int32Array)];
};
const settings = { steps: 10, stepSize: 0.25, restarts: 1, seed: 7 };

describe('PGD', () => {
  it.each([
    { clip: true, leaves: false },
    { clip: false, leaves: true },
  ])('keeps within eps, and with clip $clip in the valid range', async ({ clip, leaves }) => {
    const eps = 0.2;
    const attacked = numbers(await pgd(deep, batch, { eps, clip }, settings, startsOf(settings)));
    const far = attacked.map((x, i) => Math.abs(x - Number(batch.image.data[i])));
    expect(Math.max(...far)).toBeLessThanOrEqual(eps + 1e-7);
    expect(Math.max(...far)).toBeGreaterThan(0.99 * eps);
    expect(attacked.some((x) => x < 0 || x > 1)).toBe(leaves);
  });

  it('moves pixels whose random start lies outside of the valid range', async () => {
    // with one step of size 0.1 from the projected start, a pixel moves 0.1 or to its bound; a stuck one would not
    const once = { ...settings, steps: 1, stepSize: 0.5 };
    const none = { ...once, stepSize: 0 };
    const threat = { eps: 0.2, clip: true };
    const start = numbers(await pgd(linear, batch, threat, none, startsOf(none)));
    const moved = numbers(await pgd(linear, batch, threat, once, startsOf(once)));
    const stuck = moved.filter((x, i) => x === start[i] && x > 0.001 && x < 0.999).length;
    expect(start.every((x) => x >= 0 && x <= 1)).toBe(true);
    expect(stuck / moved.length).toBeLessThan(0.01);
    expect(start.filter((x) => x === 0).length).toBeGreaterThan(0.1 * start.length);
  });

  it('starts anywhere in the ball', async () => {
    const none = { ...settings, steps: 1, stepSize: 0 };
    const start = numbers(await pgd(deep, batch, { eps: 0.2, clip: false }, none, startsOf(none)));
    const shifts = start.map((x, i) => (x - Number(batch.image.data[i])) / 0.2);
    const parts = [-1, -0.5, 0, 0.5].map(
      (low) => shifts.filter((s) => s >= low && s < low + 0.5).length / shifts.length,
    );
    for (const part of parts) expect(part).toBeCloseTo(0.25, 1);
  });

  it('finds a larger loss than FGSM, and FGSM than none', async () => {
    const threat = { eps: 0.05, clip: true };
    const total = async (image: Batch['image']): Promise<number> =>
      (await losses(deep, image)).reduce((sum, { loss }) => sum + loss, 0);
    const clean = await total(batch.image);
    const one = await total(await fgsm(deep, batch, threat));
    const many = await total(await pgd(deep, batch, threat, settings, startsOf(settings)));
    expect(one).toBeGreaterThan(clean);
    expect(many).toBeGreaterThan(one);
  });

  it('takes the best of its restarts for each example by itself', async () => {
    const threat = { eps: 0.05, clip: true };
    // few steps, so that the starts matter
    const three = { ...settings, steps: 2, restarts: 3 };
    const together = await losses(deep, await pgd(deep, batch, threat, three, startsOf(three)));
    const apart: Awaited<ReturnType<typeof losses>>[] = [];
    for (const start of startsOf(three)) {
      apart.push(await losses(deep, await pgd(deep, batch, threat, three, [start])));
    }
    const picked = together.map(({ right, loss }, i) => {
      const each = apart.map((scores) => scores[i]!);
      const fooled = each.filter((score) => !score.right);
      const best = Math.max(...(fooled.length > 0 ? fooled : each).map((score) => score.loss));
      expect(right).toBe(fooled.length === 0);
      expect(loss).toBe(best);
      return each.findIndex((score) => score.loss === best);
    });
    expect(new Set(picked).size).toBeGreaterThan(1);
  });

  it('is the same for the same seed, and the first restart does not depend on their number', async () => {
    const threat = { eps: 0.1, clip: true };
    const none = { ...settings, steps: 1, stepSize: 0 };
    const run = async (seed: number, restarts: number) => {
      const own = { ...none, seed, restarts };
      return numbers(await pgd(deep, batch, threat, own, startsOf(own).slice(0, 1)));
    };
    expect(await run(7, 3)).toEqual(await run(7, 1));
    expect(await run(8, 1)).not.toEqual(await run(7, 1));
  });
});

describe('FGSM', () => {
  it('is one step of eps from the image, the best there is against two linear classes', async () => {
    const two = Array.from({ length: pixels * 2 }, between(stream(4, 'two'), -1, 1));
    const target = await targetOf(linearClassifier(two, 2));
    const label = drawn('int32', [count], whole(random, 0, 1)) as Batch['label'];
    const own: Batch = { image: batch.image, label };
    const threat = { eps: 0.15, clip: true };
    const once = await fgsm(target, own, threat);
    const many = await pgd(target, own, threat, { ...settings, steps: 12 }, startsOf(settings));
    expect(once).toBeAllClose(many, { atol: 1e-6 });
  });
});
