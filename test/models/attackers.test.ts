import { describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import {
  attackerKinds,
  attackerTraining,
  attackerUse,
  type AttackerPlan,
  type AttackerTraining,
} from '../../src/models/attackers.ts';
import { stream } from '../../src/runtime/random.ts';
import { doubleOf, inDouble } from '../support/double.ts';
import { drawnBatch, smallClassifier } from '../support/oracles.ts';
import { between, drawn, evaluate, evaluateGraph, graphOf, numbers, valueOf } from '../support/run.ts';

const classes = 4;
const plain: AttackerPlan = {
  kind: 'generator',
  eps: [0.1, 0.1],
  bound: 'tanh',
  targeted: false,
  width: 2,
  image: { channels: 3, height: 8, width: 8 },
  classes,
};

/** Weights that are drawn wide, so that the tanh at the end is near its ends. */
function weightsOf({ metadata }: b.Program, scale = 2): Record<string, b.Tensor> {
  const random = stream(7, 'weights');
  return Object.fromEntries(
    [...metadata.frozen, ...metadata.state].map(({ name, shape }) => {
      const next = name.endsWith('running_var') ? between(random, 0.5, 1.5) : between(random, -scale, scale);
      return [name, drawn('float32', shape as readonly number[], next)];
    }),
  );
}

const batchOf = ({ image }: AttackerPlan, count = 3) => {
  const { images, labels, targets } = drawnBatch(5, count, image, classes);
  return {
    image: { dtype: 'float32', shape: images.shape, data: images.data } as b.Tensor,
    label: b.tensorOf('int32', [count], [...labels]),
    target: b.tensorOf('int32', [count], [...targets]),
  };
};

/** Images in 0.3..0.7. */
const inTheMiddle = (image: b.Tensor): b.Tensor => ({
  ...image,
  data: Float32Array.from(image.data as Float32Array, (x) => 0.3 + 0.4 * x),
});

/** The perturbations that an attacker gives. */
async function perturbations(
  plan: AttackerPlan,
  feeds: Readonly<Record<string, b.Tensor>>,
  scale = 2,
): Promise<number[]> {
  const program = attackerUse(plan);
  const { perturbation } = program.graph.outputs;
  return numbers(await valueOf(perturbation!, { ...weightsOf(program, scale), ...feeds }, 'cpu'));
}

const shapes = [
  [3, 30, 30],
  [1, 33, 17],
  [3, 32, 30],
  [2, 7, 12],
] as const;

describe.each(attackerKinds)('an attacker of kind %s', (kind) => {
  it.each(shapes)(
    'gives perturbations of %dx%dx%d that leave eps nowhere',
    async (channels, height, width) => {
      const plan = { ...plain, kind, eps: [0, 0.5] as const, image: { channels, height, width } };
      const { image } = batchOf(plan);
      const eps = b.tensorOf('float32', [3], [0, 0.1, 0.5]);
      const found = await perturbations(plan, { image, eps });
      const size = channels * height * width;
      expect(found).toHaveLength(3 * size);
      const largest = numbers(eps).map((_, i) =>
        Math.max(...found.slice(i * size, (i + 1) * size).map(Math.abs)),
      );
      expect(largest[0]).toBe(0);
      for (const i of [1, 2]) {
        expect(largest[i]).toBeLessThanOrEqual(numbers(eps)[i]!);
        expect(largest[i]).toBeGreaterThan(0.5 * numbers(eps)[i]!);
      }
    },
  );

  it('makes another perturbation for another target', async () => {
    const image16 = { channels: 1, height: 16, width: 16 };
    const plan = { ...plain, kind, targeted: true, width: 8, image: image16 };
    const { image } = batchOf(plan);
    const towards = (target: number): Promise<number[]> =>
      perturbations(plan, { image, target: b.tensorOf('int32', [3], [target, 1, 1]) }, 0.5);
    const [one, other] = [await towards(0), await towards(2)];
    const size = one.length / 3;
    expect(one.slice(0, size)).not.toBeAllClose(other.slice(0, size), { atol: 1e-3 });
    expect(one.slice(size)).toEqual(other.slice(size));
  });
});

it('clamps a perturbation at the eps of each image', async () => {
  const plan = { ...plain, bound: 'clamp', eps: [0.05, 0.2] } as const;
  const found = await perturbations(plan, {
    image: batchOf(plan).image,
    eps: b.tensorOf('float32', [3], [0.05, 0.1, 0.2]),
  });
  const size = found.length / 3;
  const largest = [0, 1, 2].map((i) => Math.max(...found.slice(i * size, (i + 1) * size).map(Math.abs)));
  expect(largest).toEqual([0.05, 0.1, 0.2].map(Math.fround));
});

it('a universal attacker gives every image the same perturbation', async () => {
  const plan = { ...plain, kind: 'universal' } as const;
  const found = await perturbations(plan, { image: batchOf(plan).image });
  const size = found.length / 3;
  expect(found.slice(0, size)).toEqual(found.slice(size, 2 * size));
  expect(found.slice(0, size)).toEqual(found.slice(2 * size));
  expect(new Set(found).size).toBeGreaterThan(size / 2);
});

describe('a training step', () => {
  const training: AttackerTraining = { batchSize: 6, learningRate: 0.01, objective: 'complement', spread: 0 };
  const against = [1, 2].map((seed) => smallClassifier(stream(seed, 'victim'), plain.image, classes));
  const cases: readonly (readonly [title: string, AttackerPlan, AttackerTraining])[] = [
    ['away from the label', plain, training],
    ['by the negative cross-entropy', plain, { ...training, objective: 'ce' }],
    ['that spreads its answers', plain, { ...training, spread: 0.7 }],
    ['for every eps', { ...plain, eps: [0, 0.3] }, training],
    ['for every eps, clamped', { ...plain, eps: [0, 0.3], bound: 'clamp' }, training],
    ['towards a target', { ...plain, targeted: true }, training],
    ['of one perturbation', { ...plain, kind: 'universal' }, training],
    [
      'of one perturbation a target',
      { ...plain, kind: 'universal', targeted: true, eps: [0, 0.2] },
      training,
    ],
  ];

  it.each(cases)('is Adam down the slope of its loss: %s', async (_, plan, how) => {
    const program = attackerTraining(plan, how, against);
    const { state } = program.metadata;
    const { image, ...others } = batchOf(plan, how.batchSize);
    const feeds = {
      ...others,
      // the gradient of a universal one ignores the clipping, so nothing is clipped here
      image: plan.kind === 'universal' ? inTheMiddle(image) : image,
      eps: drawn('float32', [how.batchSize], between(stream(3, 'eps'), 0.1, 0.2)),
      ...weightsOf(program, 0.3),
      ...Object.fromEntries(
        state
          .filter(({ name }) => name.startsWith('adam/'))
          .map(({ name, shape }) => [name, drawn('float32', shape as readonly number[], () => 0)]),
      ),
    };
    const trained = state.filter(({ trainable }) => trainable);
    // from moments of 0, one step leaves a tenth of the gradient in m
    const outputs = Object.fromEntries(
      state
        .filter(({ name }) => trained.some((each) => name === `adam/m/${each.name}`))
        .map(({ name, output }) => [`next/${name}`, program.graph.outputs[output]!]),
    );
    const moments = await evaluateGraph(inDouble(graphOf(outputs)), wide(feeds));
    const loss = inDouble(graphOf({ loss: program.graph.outputs['loss']! }));
    const random = stream(11, 'direction');
    const way = trained.map(({ shape }) =>
      drawn('float32', shape as readonly number[], between(random, -1, 1)),
    );
    const at = async (h: number): Promise<number> => {
      const moved = Object.fromEntries(
        trained.map(({ name }, i) => {
          const own = wide(feeds)[name]!;
          const data = Float64Array.from(own.data as Float64Array, (x, j) => x + h * Number(way[i]!.data[j]));
          return [name, { ...own, data }];
        }),
      );
      return numbers((await evaluateGraph(loss, { ...wide(feeds), ...moved }))['loss']!)[0]!;
    };
    const h = 2 ** -26;
    const slope = ((await at(h)) - (await at(-h))) / (2 * h);
    const along = trained.reduce((sum, { name }, i) => {
      const moment = moments[`next/adam/m/${name}`]!.data as Float64Array;
      return sum + numbers(way[i]!).reduce((part, x, j) => part + 10 * moment[j]! * x, 0);
    }, 0);
    expect(Math.abs(slope)).toBeGreaterThan(1e-3);
    expect(Math.abs(along / slope - 1)).toBeLessThan(1e-5);
  });

  it('one perturbation learns to brighten pixels that it has darkened below black', async () => {
    const dark = { ...plain, kind: 'universal' } as const;
    const program = attackerTraining(dark, training, against);
    const { image, ...others } = batchOf(dark, training.batchSize);
    const { state } = program.metadata;
    const feeds = {
      ...others,
      image: drawn('float32', image.shape as readonly number[], () => 0),
      ...Object.fromEntries(
        state.map(({ name, shape, trainable }) => [
          name,
          drawn('float32', shape as readonly number[], () => (trainable ? -0.3 : 0)),
        ]),
      ),
    };
    const { output } = state.find(({ name }) => name.startsWith('adam/m/'))!;
    const moment = numbers(await valueOf(program.graph.outputs[output]!, feeds, 'cpu'));
    expect(moment.filter((x) => x !== 0).length).toBeGreaterThan(moment.length / 2);
  });

  it('counts the mean over several classifiers', async () => {
    const lossOf = async (some: readonly b.Graph[]): Promise<number> => {
      const program = attackerTraining(plain, training, some);
      const { loss } = program.graph.outputs;
      const feeds = { ...batchOf(plain, training.batchSize), ...weightsOf(program, 0.3) };
      return numbers(await valueOf(loss!, feeds, 'cpu'))[0]!;
    };
    const [one, other] = [await lossOf([against[0]!]), await lossOf([against[1]!])];
    expect(await lossOf(against)).toBeCloseTo((one + other) / 2, 4);
    expect(Math.abs(one - other)).toBeGreaterThan(0.01);
  });

  it('rejects a classifier of other images or classes', () => {
    const other = smallClassifier(stream(1, 'other'), { channels: 3, height: 9, width: 8 }, classes);
    expect(() => attackerTraining(plain, training, [other])).toThrow('takes images [3,9,8], not [3,8,8]');
    const more = smallClassifier(stream(1, 'more'), plain.image, 7);
    expect(() => attackerTraining(plain, training, [more])).toThrow('has 7 classes, not 4');
  });

  it('measures wrong answers, and targets that are answered', async () => {
    const still = { ...plain, kind: 'universal', targeted: true } as const;
    const [one] = against;
    const program = attackerTraining(still, training, [one!]);
    const feeds = batchOf(still, training.batchSize);
    const { logits } = await evaluate({ logits: one!.outputs['logits']! }, feeds);
    const answers = Array.from({ length: training.batchSize }, (_, i) => {
      const row = numbers(logits).slice(i * classes, (i + 1) * classes);
      return row.indexOf(Math.max(...row));
    });
    // a perturbation of 0, and half of the targets are what is answered
    const target = answers.map((answer, i) => (i % 2 === 0 ? answer : (answer + 1) % classes));
    const zero = Object.fromEntries(
      program.metadata.state.map(({ name, shape }) => [name, drawn('float32', shape as number[], () => 0)]),
    );
    const { success } = await evaluate(
      { success: program.graph.outputs['success']! },
      { ...feeds, target: b.tensorOf('int32', [training.batchSize], target), ...zero },
      'cpu',
    );
    expect(numbers(success)[0]).toBe(0.5);
  });
});

/** Feeds of a graph in float64. */
const wide = (feeds: Readonly<Record<string, b.Tensor>>): Record<string, b.Tensor> =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [
      name,
      tensor.dtype === 'float32' ? doubleOf(tensor) : tensor,
    ]),
  );
