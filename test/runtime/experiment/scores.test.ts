import { describe, expect, it } from 'vitest';
import {
  abs,
  concat,
  constant,
  input,
  lower,
  matmul,
  mul,
  neg,
  reduceMax,
  reshape,
  sub,
  tensorOf,
  type Value,
} from '../../../src/builder/index.ts';
import { encode } from '../../../src/onnx/index.ts';
import { evaluate, stream, type Evaluated, type StoredSource } from '../../../src/runtime/index.ts';
import { sourceOf } from '../../support/idx.ts';

const pixels = 28 * 28;
const options = { device: 'cpu', threads: 1, eps: 0.2, clip: true, seed: 3 } as const;

/** A model of one input, `image`, and one output. */
function model(output: string, f: (image: Value) => Value): Uint8Array {
  const image = input('image', 'float32', ['batch', 1, 28, 28]);
  return encode(lower({ name: 'hand-made', inputs: [image], outputs: { [output]: f(image) } }, 'plain'));
}

function splitOf(
  count: number,
  pixel: (index: number) => number,
  label: (image: number) => number,
): StoredSource {
  return sourceOf({
    images: Uint8Array.from({ length: count * pixels }, (_, index) => pixel(index)),
    labels: Uint8Array.from({ length: count }, (_, image) => label(image)),
  });
}

async function scoresOf(
  ...[split, contestants, settings]: Parameters<typeof evaluate>
): Promise<Evaluated & { readonly done: number[] }> {
  const scoring = evaluate(split, contestants, settings);
  const done: number[] = [];
  for (;;) {
    const next = await scoring.next();
    if (next.done) return { done, ...next.value };
    done.push(next.value);
  }
}

describe('evaluate', () => {
  const random = stream(11, 'evaluate');
  const split = splitOf(
    260,
    () => random.below(256),
    () => random.below(10),
  );
  const weights = ['c1', 'c2'].map((name) => {
    const draw = stream(11, name);
    return Float32Array.from({ length: pixels * 10 }, () => draw.uniform() - 0.5);
  });
  /** logits = image x weight */
  const linear = (weight: Float32Array): Uint8Array =>
    model('logits', (image) =>
      matmul(reshape(image, [-1, pixels]), constant(tensorOf('float32', [pixels, 10], [...weight]))),
    );
  const negative = model('attacked', (image) => sub(1, image));
  const contestants = { c1: linear(weights[0]!), c2: linear(weights[1]!), attacker: negative };

  /** Accuracy and loss of a linear classifier, in double precision. */
  function expected(weight: Float32Array, view: (pixel: number) => number) {
    let right = 0;
    let loss = 0;
    for (const [i, label] of split.stored.labels.entries()) {
      const logits = new Float64Array(10);
      for (let p = 0; p < pixels; p++) {
        const x = view(split.stored.images[i * pixels + p]! / 255);
        for (let k = 0; k < 10; k++) logits[k]! += x * weight[p * 10 + k]!;
      }
      if (logits.every((z) => z <= logits[label]!)) right++;
      loss += Math.log(logits.reduce((sum, z) => sum + Math.exp(z - logits[label]!), 0));
    }
    return { accuracy: right / split.count, loss: loss / split.count };
  }

  /** Noise as the options describe it: one stream for all pixels of all images, in order. */
  function noisy({ eps, clip, seed }: { eps: number; clip: boolean; seed: number }) {
    const noise = stream(seed, 'noise');
    return (pixel: number): number => {
      const sum = pixel + (2 * noise.uniform() - 1) * eps;
      return clip ? Math.min(1, Math.max(0, sum)) : sum;
    };
  }

  it('measures both classifiers on clean, noisy and attacked images of every batch', async () => {
    const { done, c1, c2 } = await scoresOf(split, contestants, options);
    expect(done).toEqual([250, 260]);
    for (const [scores, weight] of [
      [c1, weights[0]!],
      [c2, weights[1]!],
    ] as const) {
      const views = {
        clean: expected(weight, (pixel) => pixel),
        noise: expected(weight, noisy(options)),
        attacked: expected(weight, (pixel) => 1 - pixel),
      };
      expect(Object.keys(scores)).toEqual(Object.keys(views));
      for (const [view, { accuracy, loss }] of Object.entries(views)) {
        const measured = scores[view as keyof typeof views]!;
        expect(measured.accuracy, `scores of ${view} images`).toBe(accuracy);
        expect(measured.loss, `scores of ${view} images`).toBeCloseTo(loss, 4);
      }
    }
    expect(c1).not.toEqual(c2);
  });

  it('counts which class each classifier answers to the images of each class', async () => {
    const { confusions } = await scoresOf(split, contestants, options);
    /** As `expected`, the answers instead of the scores. */
    const answers = (weight: Float32Array, view: (pixel: number) => number): number[][] => {
      const counts = Array.from({ length: 10 }, () => Array.from({ length: 10 }, () => 0));
      for (const [i, label] of split.stored.labels.entries()) {
        const logits = Array.from({ length: 10 }, () => 0);
        for (let p = 0; p < pixels; p++) {
          const x = view(split.stored.images[i * pixels + p]! / 255);
          for (let k = 0; k < 10; k++) logits[k]! += x * weight[p * 10 + k]!;
        }
        counts[label]![logits.indexOf(Math.max(...logits))]!++;
      }
      return counts;
    };
    for (const [name, weight] of [
      ['c1', weights[0]!],
      ['c2', weights[1]!],
    ] as const) {
      expect(confusions![name]).toEqual({
        clean: answers(weight, (pixel) => pixel),
        attacked: answers(weight, (pixel) => 1 - pixel),
      });
    }
  });

  it('leaves out attacked images as long as there is no attacker', async () => {
    const { c1, c2 } = contestants;
    const scores = await scoresOf(split, { c1, c2 }, options);
    const attacked = await scoresOf(split, contestants, options);
    expect(Object.keys(scores.c1)).toEqual(['clean', 'noise']);
    expect(scores.c1).toEqual({ clean: attacked.c1.clean, noise: attacked.c1.noise });
    expect(scores.confusions).toBeUndefined();
  });

  it('adds the same noise for the same seed, and other noise for another', async () => {
    const { c1 } = await scoresOf(split, contestants, options);
    const again = await scoresOf(split, contestants, options);
    const other = await scoresOf(split, contestants, { ...options, seed: 4 });
    expect(again.c1).toEqual(c1);
    expect(other.c1.noise.loss).not.toBe(c1.noise.loss);
    expect(other.c1.clean).toEqual(c1.clean);
  });

  it('runs on the CPU beside training on CUDA, where the operators of a model may need cuDNN', async () => {
    const scores = await scoresOf(split, contestants, { ...options, device: 'cuda' });
    expect(scores).toEqual(await scoresOf(split, contestants, options));
  });

  it('gives a loss of any size without overflow', async () => {
    const far = model('logits', (image) => mul(reshape(image, [-1, pixels]), 1e6));
    const white = splitOf(
      4,
      (index) => (index % pixels === 1 ? 255 : 0),
      (image) => image % 2,
    );
    const { c1 } = await scoresOf(white, { c1: far, c2: far }, options);
    expect(c1.clean).toEqual({ accuracy: 0.5, loss: 5e5 });
  });
});

describe('noise', () => {
  const inside = 0;
  /** Two classes: 0 while the largest of `measure(image)` over the pixels is at most 0, else 1. */
  const classifier = (measure: (image: Value) => Value): Uint8Array =>
    model('logits', (image) => {
      const worst = reduceMax(reshape(measure(image), [-1, pixels]), { axes: [1], keepdims: true });
      return concat([mul(worst, 0), sub(mul(worst, 1e6), 1e-3)], 1);
    });

  it.each([
    { eps: 0.05, clip: true },
    { eps: 0.3, clip: false },
    { eps: 0.3, clip: true },
  ])('of eps $eps, clip $clip, stays within eps and comes close to it', async ({ eps, clip }) => {
    const grey = splitOf(
      20,
      () => 128,
      () => inside,
    );
    const beyond = (distance: number): Uint8Array =>
      classifier((image) => sub(abs(sub(image, 128 / 255)), distance));
    const { c1, c2 } = await scoresOf(
      grey,
      { c1: beyond(eps + 1e-6), c2: beyond(0.97 * eps) },
      { ...options, eps, clip },
    );
    expect(c1.noise.accuracy).toBe(1);
    expect(c2.clean.accuracy).toBe(1);
    expect(c2.noise.accuracy).toBe(0);
  });

  it.each([
    { clip: true, valid: 1 },
    { clip: false, valid: 0 },
  ])('with clip $clip leaves this part of black and white images valid: $valid', async ({ clip, valid }) => {
    const checkered = splitOf(
      20,
      (index) => 255 * (index % 2),
      () => inside,
    );
    const c1 = classifier((image) => sub(image, 1));
    const c2 = classifier((image) => neg(image));
    const scores = await scoresOf(checkered, { c1, c2 }, { ...options, clip });
    expect(scores.c1.noise.accuracy).toBe(valid);
    expect(scores.c2.noise.accuracy).toBe(valid);
    expect([scores.c1.clean.accuracy, scores.c2.clean.accuracy]).toEqual([1, 1]);
  });
});
