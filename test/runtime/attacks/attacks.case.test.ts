import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attackNames,
  attackOf,
  balls,
  drawsOf,
  scoresOf,
  toEnd,
  unsuited,
  type AttackName,
  type Batch,
  type Goal,
  type Images,
  type ImageShape,
  type Logits,
  type Norm,
  type SettingsOf,
  type ThreatModel,
} from '../../../src/runtime/attacks/index.ts';
import type { OpenOracle } from '../../../src/runtime/audit/oracle.ts';
import { stream } from '../../../src/runtime/random.ts';
import {
  drawnBatch,
  oneByOne,
  imagesAt,
  oracleOf,
  perfectAim,
  perfectAttacker,
  smallClassifier,
  someOf,
  universalOf,
} from '../../support/oracles.ts';

/** The class that each image is taken for. */
const answersTo = ({ data, shape: [images, classes] }: Logits): Int32Array =>
  Int32Array.from({ length: images }, (_, i) => {
    const row = data.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });

/** The direction in which the mean cross-entropy of some classes rises, for all images together: [1,C,H,W]. */
async function steepest(oracle: OpenOracle, images: Images, labels: Int32Array): Promise<Images> {
  const { gradient } = await oracle.gradient!({ images, labels }, 'ce');
  const [of, ...shape] = gradient.shape;
  const size = gradient.data.length / of;
  const data = Float32Array.from({ length: size }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < of; i++) sum += gradient.data[i * size + at]!;
    return sum;
  });
  return { data, shape: [1, ...shape] };
}

/** Settings for the suite: few steps, and every part of an attack at work. A missing row does not compile. */
const settings: { readonly [K in AttackName]: SettingsOf<K> } = {
  noise: {},
  fgsm: {},
  pgd: { steps: 5, stepSize: 0.4, restarts: 2 },
  'mi-fgsm': { steps: 4, stepSize: null, decay: 1 },
  apgd: { loss: 'dlr', steps: 12, restarts: 2 },
  'pgd-adam': { steps: 10, stepSize: 0.5, decay: 0.98, restarts: 2 },
  'apgd-t': { loss: 'dlr', steps: 10, targets: 2, restarts: 2 },
  fab: { steps: 10, targets: 2, restarts: 2 },
  transfer: { images: 10, rounds: 1, updates: 1, steps: 10, restarts: 2 },
  square: { queries: 60, part: 0.8, shrinkOver: null, restarts: 2 },
  generator: {},
  universal: {},
};

/** Attacks that look for the smallest change. */
const smallest: readonly AttackName[] = ['fab'];

/** A change that a person would see, in each norm. */
const epsOf: { readonly [N in Norm]: number } = { linf: 0.1, l2: 1.5 };
const count = 6;
const classes = 5;
const shapes: readonly ImageShape[] = [
  { channels: 1, height: 28, width: 28 },
  { channels: 3, height: 8, width: 8 },
];

describe.each(shapes)('on images of $channels x $height x $width', (image) => {
  let batch: Required<Batch>;
  /** With attackers that aim at no class, and with those that aim at one. */
  let oracle: OpenOracle;
  let aiming: OpenOracle;
  let twin: OpenOracle;
  beforeAll(async () => {
    const random = stream(21, 'case', image.channels);
    const classifier = smallClassifier(random, image, classes);
    twin = await oracleOf(classifier, image);
    const drawn = drawnBatch(21, count, image, classes);
    // the classifier is right about every image, so that an attack has something to take
    const labels = answersTo(await twin.logits(drawn.images));
    batch = { ...drawn, labels, targets: labels.map((y) => (y + 1) % classes) };
    const away = await steepest(twin, batch.images, labels);
    const towards = await Promise.all(
      Array.from({ length: classes }, async (_, c) => {
        const { data } = await steepest(
          twin,
          batch.images,
          labels.map(() => c),
        );
        return [...data].map((x) => -x);
      }),
    );
    const { channels, height, width } = image;
    const all: Images = {
      data: Float32Array.from(towards.flat()),
      shape: [classes, channels, height, width],
    };
    const surrogate = twin.gradient!;
    const plain = await oracleOf(classifier, image, {
      generator: { attacker: perfectAttacker(classifier, 0.2), eps: 0.2 },
      universal: { attacker: universalOf(away, 0.2), eps: 0.2 },
    });
    oracle = { ...plain, surrogate };
    const targeted = await oracleOf(classifier, image, {
      generator: { attacker: perfectAim(classifier, 0.2), eps: 0.2, targeted: true },
      universal: { attacker: universalOf(all, 0.2), eps: 0.2, targeted: true },
    });
    aiming = { ...targeted, surrogate };
  });
  afterAll(async () => {
    await twin.close();
    await oracle.close();
    await aiming.close();
  });

  const start = <K extends AttackName>(name: K, threat: ThreatModel, part: Batch) =>
    attackOf(name).run(
      threat.goal === 'targeted' ? aiming : oracle,
      part,
      threat,
      settings[name],
      drawsOf(3, name),
    );
  const attacked = (...args: Parameters<typeof start>): Promise<Images> => toEnd(start(...args));

  /** The mean cross-entropy of some classes. */
  async function lossOf(images: Images, labels: Int32Array): Promise<number> {
    const scores = [...scoresOf(await oracle.logits(images), labels)];
    return scores.reduce((sum, { loss }) => sum + loss, 0) / scores.length;
  }

  const rows = attackNames.flatMap((name) => attackOf(name).norms.map((norm) => ({ name, norm })));

  describe.each(rows)('$name in $norm', ({ name, norm }) => {
    const { access, goals } = attackOf(name);
    const eps = epsOf[norm];
    const threat: ThreatModel = { norm, eps, range: [0, 1], goal: 'untargeted' };

    it.each([{ range: [0, 1] as const }, { range: null }])(
      'stays in the ball, and in the range $range',
      async ({ range }) => {
        const images = await attacked(name, { ...threat, range }, batch);
        const distances = [...balls[norm].distance(images, batch.images)];
        // a bound of L-infinity is itself rounded to float32
        expect(Math.max(...distances)).toBeLessThanOrEqual(eps * (1 + 1e-12) + (norm === 'linf' ? 1e-7 : 0));
        expect(Math.min(...distances)).toBeGreaterThan(smallest.includes(name) ? 0 : 0.1 * eps);
        expect(images.data.some((x) => x < 0 || x > 1)).toBe(range === null);
        expect(images.shape).toEqual(batch.images.shape);
      },
    );

    it('gives the same images for the same seed, whatever the batch', async () => {
      const each = oneByOne(oracle);
      const run = (part: Batch, seed = 3): Promise<Images> =>
        toEnd(attackOf(name).run(each, part, threat, settings[name] as never, drawsOf(seed, name)));
      const together = await run(batch);
      expect(await run(batch)).toEqual(together);
      const backwards = [4, 3, 1];
      for (const indices of [[0], [1, 2], [5], backwards]) {
        expect(await run(someOf(batch, indices))).toEqual(imagesAt(together, indices));
      }
    });

    it('leaves the images as they are when eps is 0', async () => {
      expect(await attacked(name, { ...threat, eps: 0 }, batch)).toEqual(batch.images);
    });

    // noise is not aimed
    const aims = access === 'none' ? [] : goals;
    it.each(aims)('moves the loss as the goal %s wants it', async (goal) => {
      const images = await attacked(name, { ...threat, goal }, batch);
      const [labels, way] = goal === 'targeted' ? [batch.targets, -1] : [batch.labels, 1];
      const rise = (await lossOf(images, labels)) - (await lossOf(batch.images, labels));
      expect(way * rise).toBeGreaterThan(0.01);
    });

    it('asks nothing more when its caller ends it after a step', async () => {
      const work = start(name, threat, batch);
      await work.next();
      const asked = oracle.queries();
      await work.return(batch.images);
      expect(await work.next()).toEqual({ done: true, value: undefined });
      expect(oracle.queries()).toEqual(asked);
    });

    it('asks only what its access allows', async () => {
      const before = oracle.queries();
      await attacked(name, threat, batch);
      const after = oracle.queries();
      expect(after.backward > before.backward).toBe(access === 'gradient');
      expect(after.forward > before.forward && ['none', 'model'].includes(access)).toBe(false);
    });

    it('says where it cannot be run', () => {
      const { logits } = oracle;
      const needs = {
        none: 'none',
        logits: 'none',
        surrogate: "trained on the classifier's answers",
        gradient: 'gradients',
        model: 'attacker',
      }[access];
      expect(unsuited(name, oracle, threat)).toBeNull();
      expect(unsuited(name, { image, classes, logits }, threat) ?? 'none').toContain(needs);
      for (const goal of ['untargeted', 'targeted'] as const satisfies readonly Goal[]) {
        const own = goal === 'targeted' ? aiming : oracle;
        expect(unsuited(name, own, { ...threat, goal }) === null).toBe(goals.includes(goal));
      }
    });
  });

  describe.each(['generator', 'universal'] as const)('%s that aims at a class', (name) => {
    const threat: ThreatModel = { norm: 'linf', eps: 0.1, range: [0, 1], goal: 'untargeted' };
    const run = (eps = threat.eps): Promise<Images> =>
      toEnd(attackOf(name).run(aiming, batch, { ...threat, eps }, {}, drawsOf(0, name)));
    const wrong = async (images: Images): Promise<number> =>
      answersTo(await aiming.logits(images)).filter((answer, i) => answer !== batch.labels[i]).length;

    it('tries one class after another where any will do', async () => {
      const towards = async (ahead: number): Promise<number> => {
        const targets = batch.labels.map((y) => (y + ahead) % classes);
        const goal = { ...threat, goal: 'targeted' } as const;
        return await wrong(
          await toEnd(attackOf(name).run(aiming, { ...batch, targets }, goal, {}, drawsOf(0, name))),
        );
      };
      const each = await Promise.all([1, 2, 3, 4].map(towards));
      const images = await run();
      expect(await wrong(images)).toBeGreaterThanOrEqual(Math.max(...each));
      expect(await wrong(images)).toBeGreaterThan(0);
      expect(Math.max(...balls.linf.distance(images, batch.images))).toBeLessThanOrEqual(0.1 + 1e-7);
    });

    it('leaves the images as they are when eps is 0', async () => {
      expect(await run(0)).toEqual(batch.images);
    });

    it('cannot be run towards a class where it was trained for none', () => {
      expect(unsuited(name, oracle, { ...threat, goal: 'targeted' })).toBe(
        `${name} needs an attacker that was trained to aim at a class; leave it out`,
      );
    });
  });
});

it('an attacker of every eps is told that of the threat, or the nearest that it knows', async () => {
  const told: number[] = [];
  const images: Images = { data: new Float32Array(4).fill(0.5), shape: [1, 1, 2, 2] };
  const oracle = {
    image: { channels: 1, height: 2, width: 2 },
    classes,
    logits: () => Promise.reject(new Error('not asked')),
    generator: {
      eps: [0.1, 0.3] as const,
      perturbation: (of: Images, eps: number) => {
        told.push(eps);
        return Promise.resolve({ ...of, data: of.data.map(() => Math.fround(eps)) });
      },
    },
  };
  const batch: Batch = { images, labels: new Int32Array(1), places: new Int32Array(1) };
  for (const eps of [0.05, 0.2, 0.4]) {
    const threat = { norm: 'linf', eps, range: [0, 1], goal: 'untargeted' } as const;
    const { data } = await toEnd(
      attackOf('generator').run(oracle, batch, threat, {}, drawsOf(0, 'generator')),
    );
    // scaled where it was trained for no such eps
    expect(data).toBeAllClose(new Float32Array(4).fill(0.5 + eps), { atol: 1e-6 });
  }
  expect(told).toEqual([0.1, 0.2, 0.3]);
});

it('an attack that does not know a norm says so', async () => {
  const oracle = { image: shapes[0]!, classes, logits: () => Promise.reject(new Error('not asked')) };
  const threat = { norm: 'l2', eps: 1, range: null, goal: 'untargeted' } as const;
  expect(unsuited('generator', oracle, threat)).toBe('generator knows linf only, not l2; leave it out');
});
