import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as b from '../../src/builder/index.ts';
import {
  attack,
  audit,
  InputError,
  openClassifier,
  type AttackOptions,
  type Examples,
  type OpenClassifier,
  type Oracle,
  type Progress,
} from '../../src/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { fileOf } from '../support/classifiers.ts';
import { digits, nearestMean, type Digits } from '../support/examples.ts';
import { smallClassifier } from '../support/oracles.ts';
import { between } from '../support/run.ts';

const images = 60;
const eps = 0.1;
let folder: string;
let path: string;
let known: Digits;
let examples: Digits;
let classifier: OpenClassifier;
const one = { threads: 1 } as const;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-api-'));
  path = join(folder, 'nearest-mean.onnx');
  ({ known, test: examples } = await digits(images));
  await writeFile(path, fileOf(nearestMean(known, { input: 'pixels', output: 'scores' })));
  classifier = await openClassifier(path, one);
});
afterAll(async () => {
  await classifier.close();
  await rm(folder, { recursive: true });
});

const closing = async <T>(opened: OpenClassifier, use: (opened: OpenClassifier) => Promise<T>): Promise<T> =>
  await use(opened).finally(() => opened.close());

describe('openClassifier', () => {
  test('reads the size of images and the number of classes from the file, whatever its ports are called', () => {
    expect(classifier).toMatchObject({
      image: { channels: 1, height: 28, width: 28 },
      classes: 10,
      noGradient: null,
      gradientEnds: null,
    });
  });

  test.for([
    [1, 28, 28, 10],
    [3, 8, 6, 4],
    [2, 5, 9, 300],
  ] as const)(
    'opens a classifier of %s channels, %sx%s pixels and %s classes',
    async ([c, h, w, classes]) => {
      const graph = smallClassifier(stream(1, 'api'), { channels: c, height: h, width: w }, classes);
      await closing(await openClassifier(fileOf(graph), one), async (opened) => {
        expect(opened.image).toEqual({ channels: c, height: h, width: w });
        expect(opened.classes).toBe(classes);
        const shape = [2, c, h, w] as const;
        const data = Float32Array.from({ length: 2 * c * h * w }, between(stream(2), 0, 1));
        const { shape: logits } = await opened.logits({ data, shape });
        expect(logits).toEqual([2, classes]);
        const labels = Int32Array.of(0, classes - 1);
        const { gradient } = await opened.gradient!({ images: { data, shape }, labels }, 'ce');
        expect(gradient.shape).toEqual(shape);
        const { success } = await attack(opened, { images: data, labels }, { method: 'fgsm', eps });
        expect(success).toHaveLength(2);
      });
    },
  );

  test('takes the bytes of the file too', async () => {
    const bytes = fileOf(nearestMean(known));
    const logits = await closing(await openClassifier(bytes, one), (opened) =>
      opened.logits({ data: examples.images, shape: [images, 1, 28, 28] }),
    );
    const { data } = await classifier.logits({ data: examples.images, shape: [images, 1, 28, 28] });
    expect(logits.data).toBeAllClose(data, { atol: 1e-4 });
  });

  test('still answers where there is no gradient, and says why', async () => {
    const image = b.input('image', 'float32', ['batch', 1, 2, 2]);
    const logits = b.sign(b.reshape(image, [-1, 4]));
    const bytes = fileOf({ name: 'steps', inputs: [image], outputs: { logits } });
    await closing(await openClassifier(bytes, one), async (opened) => {
      expect(opened.gradient).toBeUndefined();
      expect(opened.noGradient).toContain('it ends at Sign');
      const few = { images: new Float32Array(8).fill(0.5), labels: [0, 1] };
      const { attacks, checks } = await audit(opened, few, { eps, attacks: ['noise'], curve: [] });
      expect(attacks['noise']!.accuracy).toBe(0.5);
      expect(checks.map(({ id }) => id)).toContain('zero-gradient');
      await expect(audit(opened, few, { eps, attacks: ['fgsm'] })).rejects.toThrow(
        /^fgsm needs gradients of the classifier; leave it out \(.*it ends at Sign/,
      );
    });
  });

  const shaped = (shape: b.Shape): Uint8Array => {
    const x = b.input('x', 'float32', shape);
    return fileOf({ name: 'odd', inputs: [x], outputs: { y: b.relu(x) } });
  };
  test.for<readonly [what: string, model: () => Uint8Array | string, message: RegExp]>([
    ['a file that is not there', () => join(folder, 'none.onnx'), /cannot read .*none\.onnx/],
    ['bytes that are no model', () => Uint8Array.of(255, 1, 2), /^the model: /],
    ['no bytes', () => new Uint8Array(), /^the model: .*the file is empty/],
    [
      'images of no fixed size',
      () => shaped(['batch', 1, 'h', 3]),
      /\[batch,1,h,3\] leaves height and width open; give the size/,
    ],
    [
      'images in a row that are no square',
      () => shaped(['batch', 10]),
      /10 values, which are no square image/,
    ],
    [
      'no answer for every class',
      () => shaped([1, 1, 3, 3]),
      /output y is .*\[batch,1,3,3\], must be \[batch,classes\]/,
    ],
  ])('rejects %s in one line', async ([, model, message]) => {
    const error: unknown = await openClassifier(model(), one).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('\n');
  });

  test('rejects a number of threads that is none', async () => {
    await expect(openClassifier(path, { threads: 0 })).rejects.toThrow(
      'threads must be an integer from 1 on, got 0',
    );
  });

  test('rejects a batch size that is none', async () => {
    await expect(openClassifier(path, { batchSize: 0.5 })).rejects.toThrow(
      'batchSize must be an integer from 1 on, got 0.5',
    );
  });
});

describe('attack', () => {
  test('gives images within eps and the range, with what the classifier says before and after', async () => {
    const result = await attack(classifier, examples, { method: 'pgd', eps, steps: 10 });
    expect(result.images.shape).toEqual([images, 1, 28, 28]);
    expect(Math.max(...result.distance)).toBeLessThanOrEqual(Math.fround(eps) + 2 ** -24);
    expect(Math.min(...result.images.data)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...result.images.data)).toBeLessThanOrEqual(1);
    const answers = async (data: Float32Array) => {
      const { data: z } = await classifier.logits({ data, shape: [images, 1, 28, 28] });
      return Int32Array.from({ length: images }, (_, i) => {
        const row = z.subarray(10 * i, 10 * i + 10);
        return row.indexOf(Math.max(...row));
      });
    };
    expect(result.before).toEqual(await answers(examples.images));
    expect(result.after).toEqual(await answers(result.images.data));
    expect(result.success).toEqual(Array.from(result.after, (k, i) => k !== examples.labels[i]));
    const fooled = result.success.filter((yes, i) => yes && result.before[i] === examples.labels[i]);
    expect(fooled.length).toBeGreaterThan(10);
  });

  test('leads to a wished-for class with targets', async () => {
    const targets = Array.from(examples.labels, (label) => (label + 1) % 10);
    const { after, success } = await attack(
      classifier,
      { ...examples, targets },
      { method: 'pgd', eps: 0.3, steps: 20 },
    );
    expect(success).toEqual(Array.from(after, (k, i) => k === targets[i]));
    expect(success.filter(Boolean).length).toBeGreaterThan(images / 2);
  });

  test('gives the same images for the same seed, whatever the batch size, and others for another', async () => {
    const options = { method: 'pgd', eps, norm: 'l2', steps: 3 } as const;
    const [a, again, other] = await Promise.all(
      [
        { seed: 5, batchSize: 60 },
        { seed: 5, batchSize: 60 },
        { seed: 6, batchSize: 60 },
      ].map((more) => attack(classifier, examples, { ...options, ...more })),
    );
    expect(again!.images.data).toEqual(a!.images.data);
    expect(other!.images.data).not.toEqual(a!.images.data);
    const parts = await attack(classifier, examples, { ...options, seed: 5, batchSize: 7 });
    expect(parts.images.data).toBeAllClose(a!.images.data, { atol: 1e-6 });
  });

  test('attacks an oracle of your own', async () => {
    const asked: number[] = [];
    // the brighter of two pixels
    const own: Oracle = {
      image: { channels: 1, height: 1, width: 2 },
      classes: 2,
      logits: ({ data, shape: [count] }) => {
        asked.push(count);
        return Promise.resolve({ data, shape: [count, 2] });
      },
    };
    const images = Float32Array.of(0.2, 0.9, 0.5, 0.49);
    const { before, distance } = await attack(
      own,
      { images, labels: [1, 0] },
      { method: 'noise', eps: 0.05 },
    );
    expect([...before]).toEqual([1, 0]);
    expect(Math.max(...distance)).toBeGreaterThan(0);
    expect(asked).toEqual([2, 2]);
    await expect(attack(own, { images, labels: [1, 0] }, { method: 'pgd', eps: 0.05 })).rejects.toThrow(
      'pgd needs gradients of the classifier; leave it out',
    );
  });

  test('tells how far it is after each step', async () => {
    const said: Progress[] = [];
    await attack(classifier, examples, {
      method: 'pgd',
      eps,
      steps: 2,
      batchSize: 40,
      onProgress: (progress) => said.push(progress),
    });
    const total = images;
    expect(said).toEqual([
      { attack: 'clean', done: 40, total, step: 0 },
      { attack: 'clean', done: 60, total, step: 0 },
      { attack: 'pgd', done: 0, total, step: 1 },
      { attack: 'pgd', done: 0, total, step: 2 },
      { attack: 'pgd', done: 40, total, step: 0 },
      { attack: 'pgd', done: 40, total, step: 1 },
      { attack: 'pgd', done: 40, total, step: 2 },
      { attack: 'pgd', done: 60, total, step: 0 },
    ]);
  });

  test('ends after the step at hand when its signal is aborted', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let steps = 0;
    const work = attack(classifier, examples, {
      method: 'pgd',
      eps,
      steps: 50,
      signal: controller.signal,
      onProgress: ({ step }) => {
        steps = Math.max(steps, step);
        if (step === 3) controller.abort(reason);
      },
    });
    await expect(work).rejects.toBe(reason);
    expect(steps).toBe(3);
  });

  test('lets a timer of its own process abort it', async () => {
    const work = attack(classifier, examples, {
      method: 'pgd',
      eps,
      steps: 1_000_000,
      signal: AbortSignal.timeout(50),
    });
    await expect(work).rejects.toThrow(expect.objectContaining({ name: 'TimeoutError' }));
  });

  type Wrong = readonly [what: string, options: object, examples: Partial<Examples>, message: string];
  test.for<Wrong>([
    [
      'an unknown attack',
      { method: 'bim' },
      {},
      'there is no attack bim; there are noise, fgsm, pgd, pgd-adam, mi-fgsm, apgd, apgd-t, fab, square',
    ],
    [
      'an unknown setting',
      { step: 3 },
      {},
      'pgd has no setting step; its settings are: steps, stepSize, restarts',
    ],
    [
      'a loss of another attack',
      { method: 'apgd-t', loss: 'ce' },
      {},
      'loss of apgd-t must be one of dlr, difference, got ce',
    ],
    ['half a step', { steps: 0.5 }, {}, 'steps of pgd must be an integer from 1 on, got 0.5'],
    [
      'eps that is no number',
      { eps: Number.NaN },
      {},
      'eps must be a number from 0 on, in the unit of the pixels, got NaN',
    ],
    ['eps in 0..255', { eps: 8 }, {}, 'eps must be at most 1 for pixels in 0..1, got 8'],
    [
      'a range upside down',
      { range: [1, 0] },
      {},
      'range must be [low, high] with low below high, got [1,0]',
    ],
    ['an empty batch', { batchSize: 0 }, {}, 'batchSize must be an integer from 1 on, got 0'],
    ['no images', {}, { labels: [] }, 'there are no images; at least one is needed'],
    [
      'too few pixels',
      {},
      { labels: [1, 2] },
      'images hold 784 pixels, must hold 1568: 2 labels, and 1x28x28 pixels an image',
    ],
    [
      'pixels in 0..255',
      {},
      { images: new Float32Array(784).fill(255) },
      'pixels must be in 0..1, got 255 in image 0; scale them',
    ],
    ['a class that is none', {}, { labels: [10] }, 'labels must be integers in 0..9, got 10 for image 0'],
    ['too many targets', {}, { targets: [1, 2] }, 'there are 2 targets for 1 images; give one an image'],
    [
      'images of another shape',
      {},
      { images: { data: new Float32Array(784), shape: [1, 28, 28, 1] } },
      'images are [1,28,28,1], must be [1,1,28,28]',
    ],
  ])('rejects %s', async ([, options, own, message]) => {
    const right = { images: examples.images.subarray(0, 784), labels: [examples.labels[0]!] };
    const work = attack(classifier, { ...right, ...own }, {
      method: 'pgd',
      eps,
      ...options,
    } as AttackOptions);
    await expect(work).rejects.toThrow(new InputError(message));
  });
});
