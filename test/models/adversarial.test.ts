import { describe, expect, it } from 'vitest';
import { input, lower, tensorOf, type Graph, type Tensor } from '../../src/builder/index.ts';
import {
  adversarialLoss,
  adversarialTrain,
  defenceDefaults,
  defences,
  stepInputs,
  type DefenceSettings,
} from '../../src/models/adversarial.ts';
import type { Classifier } from '../../src/models/classifier/classifier.ts';
import { readClassifier } from '../../src/models/classifier/read.ts';
import { tunable } from '../../src/models/classifier/tune.ts';
import { stream } from '../../src/runtime/random.ts';
import { evaluateGraph } from '../support/run.ts';
import { trainable } from '../support/trainable.ts';

const batch = 4;
const { bytes } = trainable();
const tuned = tunable(bytes, readClassifier(bytes) as Classifier, batch);
const random = stream(1, 'adversarial');
const shape = [batch, 1, 28, 28];
const numbers = (draw: () => number): number[] => Array.from({ length: batch * 784 }, draw);
const fed: Readonly<Record<string, Tensor>> = {
  image: tensorOf('float32', shape, numbers(random.uniform)),
  label: tensorOf('int32', [batch], [3, 1, 4, 1]),
  noise: tensorOf(
    'uint8',
    shape,
    numbers(() => random.below(256)),
  ),
  rate: tensorOf('float32', [], [1e-3]),
  eps: tensorOf('float32', [], [0.3]),
};
const weights = Object.fromEntries(
  tuned.trained.map(({ name, shape: own, data }) => [`weight/${name}`, tensorOf('float32', own, [...data])]),
);
const image = input('image', 'float32', shape);
const label = input('label', 'int32', [batch]);
const given = stepInputs(image);

/** The loss of a method, and the images that its attack found. */
function lossGraph(settings: DefenceSettings): Graph {
  const seen: { attacked?: ReturnType<typeof input> } = {};
  const logits: typeof tuned.logits = (x) => {
    seen.attacked = x;
    return tuned.logits(x);
  };
  const { loss } = adversarialLoss(logits, tuned.logits, image, label, given, settings);
  const inputs = [
    image,
    label,
    given.noise,
    given.eps,
    ...tuned.parameters.trainable.map(({ value }) => value),
  ];
  return { name: 'loss', inputs, outputs: { loss, attacked: seen.attacked! } };
}

const run = async (graph: Graph, more: Readonly<Record<string, Tensor>> = {}) => {
  const all: Readonly<Record<string, Tensor>> = { ...fed, ...weights, ...more };
  const names = graph.inputs.map(({ source }) => (source as { readonly name: string }).name);
  return await evaluateGraph(
    lower(graph, 'cpu'),
    Object.fromEntries(names.map((name) => [name, all[name]!])),
  );
};

const settingsOf = (method: DefenceSettings['method'], norm: DefenceSettings['norm']): DefenceSettings => ({
  method,
  norm,
  ...defenceDefaults[method],
});

describe.for(defences)('%s', (method) => {
  it.for(['linf', 'l2'] as const)('attacks within the ball of %s and within 0..1', async (norm) => {
    const eps = norm === 'linf' ? 0.3 : 2;
    const { attacked } = await run(lossGraph(settingsOf(method, norm)), {
      eps: tensorOf('float32', [], [eps]),
    });
    const [pixels, found] = [fed['image']!.data as Float32Array, attacked!.data as Float32Array];
    expect(Math.min(...found)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...found)).toBeLessThanOrEqual(1);
    for (let i = 0; i < batch; i++) {
      const change = Array.from({ length: 784 }, (_, k) => found[784 * i + k]! - pixels[784 * i + k]!);
      const size = norm === 'linf' ? Math.max(...change.map(Math.abs)) : Math.hypot(...change);
      expect(size).toBeLessThanOrEqual(eps * 1.00001);
      expect(size).toBeGreaterThan(0.5 * eps);
    }
  });

  it('moves each weight along the gradient of its loss', async () => {
    const settings = settingsOf(method, 'linf');
    const program = adversarialTrain(
      tuned,
      { channels: 1, height: 28, width: 28 },
      { name: 'step', ...settings, average: 0 },
    );
    const zeros = Object.fromEntries(
      program.metadata.state
        .filter(({ name }) => name.startsWith('adam'))
        .map(({ name, shape: own }) => [
          name,
          tensorOf(
            'float32',
            own as number[],
            new Array<number>(own.reduce<number>((n, d) => n * Number(d), 1)).fill(0),
          ),
        ]),
    );
    const next = await run(program.graph, zeros);
    // the attack is taken as given: the loss on the images that it found, at weights moved a little
    const { attacked } = await run(lossGraph(settings));
    const onFound = lossAt(settings);
    const loss = async (more: Readonly<Record<string, Tensor>>): Promise<number> =>
      (await run(onFound, { found: attacked!, ...more }))['loss']!.data[0] as number;
    for (const { name, shape: own, data } of tuned.trained) {
      // Adam's first moment after a step is a tenth of the gradient
      const gradient = Float32Array.from(
        next[`next/adam/m/weight/${name}`]!.data as Float32Array,
        (m) => 10 * m,
      );
      const length = Math.hypot(...gradient);
      expect(length).toBeGreaterThan(0);
      const h = 0.02;
      const moved = (by: number) => ({
        [`weight/${name}`]: tensorOf(
          'float32',
          own,
          Array.from(data, (w, i) => w + (by * gradient[i]!) / length),
        ),
      });
      const slope = ((await loss(moved(h))) - (await loss(moved(-h)))) / (2 * h);
      expect({ name, right: Math.abs(slope / length - 1) < 0.1 }).toEqual({ name, right: true });
    }
  });
});

/** The loss of a method on images that an attack has found. */
function lossAt(settings: DefenceSettings): Graph {
  const found = input('found', 'float32', shape);
  let calls = 0;
  // the last images that are asked about are the attacked ones
  const isTrades = settings.method === 'trades';
  const { loss } = adversarialLoss(
    (x) => tuned.logits(isTrades && calls++ === 0 ? x : found),
    tuned.logits,
    image,
    label,
    given,
    settings,
  );
  const inputs = [
    image,
    label,
    found,
    given.noise,
    given.eps,
    ...tuned.parameters.trainable.map(({ value }) => value),
  ];
  return { name: 'loss on found images', inputs, outputs: { loss } };
}

it.for(['linf', 'l2'] as const)(
  'leaves 0..1, not the ball of %s, where images are not clipped',
  async (norm) => {
    const eps = norm === 'linf' ? 0.3 : 2;
    const { attacked } = await run(lossGraph({ ...settingsOf('pgd', norm), clip: false }), {
      eps: tensorOf('float32', [], [eps]),
    });
    const [pixels, found] = [fed['image']!.data as Float32Array, attacked!.data as Float32Array];
    expect(Math.min(...found)).toBeLessThan(0);
    expect(Math.max(...found)).toBeGreaterThan(1);
    const change = Array.from(found.subarray(0, 784), (x, i) => x - pixels[i]!);
    const length = norm === 'linf' ? Math.max(...change.map(Math.abs)) : Math.hypot(...change);
    expect(length).toBeLessThanOrEqual(eps * 1.00001);
  },
);

it('leaves the ball where the start is larger than it, as N-FGSM does', async () => {
  const { attacked } = await run(lossGraph({ ...settingsOf('fast', 'linf'), stepSize: 1, start: 2 }), {
    eps: tensorOf('float32', [], [0.05]),
  });
  const pixels = fed['image']!.data as Float32Array;
  const sizes = Array.from(attacked!.data as Float32Array, (x, i) => Math.abs(x - pixels[i]!));
  expect(Math.max(...sizes)).toBeGreaterThan(0.1);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(0.15 + 1e-6);
});
