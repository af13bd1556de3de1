import { inOrder } from './batches.ts';
import type { Split } from './datasets/index.ts';
import { fillUniform, stream } from './random.ts';
import { modelDevice, openModel, type Model, type SessionOptions } from './session.ts';
import { float32, type Tensor } from './tensor.ts';

/** Fraction of right answers, and mean cross-entropy in nats. */
export interface Scores {
  readonly accuracy: number;
  readonly loss: number;
}

/** One classifier on the test set. `attacked` is absent until there is an attacker. */
export interface ClassifierScores {
  readonly clean: Scores;
  readonly noise: Scores;
  readonly attacked?: Scores;
}

/** The networks that are measured, as ONNX models. */
export interface Contestants {
  readonly c1: Uint8Array;
  readonly c2: Uint8Array;
  readonly attacker?: Uint8Array;
}

export interface EvaluateOptions extends SessionOptions {
  readonly eps: number;
  /** Whether noisy images are clipped to [0, 1], as the threat model says. */
  readonly clip: boolean;
  /** The noise is the same for the same seed. */
  readonly seed: number;
}

const batchSize = 250;

/**
 * Accuracy and loss of both classifiers over a whole split: on clean images, under uniform noise in [-eps, eps], and on
 * attacked images when there is an attacker. Yields the number of images done; returns the scores.
 */
export async function* evaluate(
  split: Split,
  contestants: Contestants,
  options: EvaluateOptions,
): AsyncGenerator<number, { readonly c1: ClassifierScores; readonly c2: ClassifierScores }> {
  const open: Model[] = [];
  const opened = async (bytes: Uint8Array): Promise<Model> => {
    const model = await openModel(bytes, { ...options, device: modelDevice(options.device) });
    open.push(model);
    return model;
  };
  try {
    const classifiers = [await opened(contestants.c1), await opened(contestants.c2)];
    const attacker = contestants.attacker ? await opened(contestants.attacker) : null;
    const random = stream(options.seed, 'noise');
    const sums = classifiers.map(() => ({ clean: new Sum(), noise: new Sum(), attacked: new Sum() }));
    for (const { start, image, label } of inOrder(split, batchSize)) {
      const views = {
        clean: image,
        noise: withNoise(image, options, random),
        ...(attacker && { attacked: (await attacker.run({ image }))['attacked']! }),
      };
      for (const [i, classifier] of classifiers.entries()) {
        for (const [view, input] of Object.entries(views)) {
          const { logits } = await classifier.run({ image: input });
          sums[i]![view as keyof typeof views].add(logits!.data as Float32Array, label.data as Int32Array);
        }
      }
      yield start + label.data.length;
    }
    const scores = sums.map(({ clean, noise, attacked }) => ({
      clean: clean.mean(),
      noise: noise.mean(),
      ...(attacker && { attacked: attacked.mean() }),
    }));
    return { c1: scores[0]!, c2: scores[1]! };
  } finally {
    for (const model of open) await model.close();
  }
}

/** The image with uniform noise in [-eps, eps] on every pixel. */
function withNoise(
  image: Tensor,
  { eps, clip }: Pick<EvaluateOptions, 'eps' | 'clip'>,
  random: ReturnType<typeof stream>,
): Tensor {
  const data = new Float32Array(image.data.length);
  fillUniform(data, -eps, eps, random);
  for (let i = 0; i < data.length; i++) {
    const sum = data[i]! + Number(image.data[i]);
    data[i] = clip ? Math.min(1, Math.max(0, sum)) : sum;
  }
  return float32(image.shape, data);
}

/** Right answers and cross-entropy, summed in double precision. */
class Sum {
  #count = 0;
  #right = 0;
  #loss = 0;

  add(logits: Float32Array, labels: Int32Array): void {
    const classes = logits.length / labels.length;
    for (const [i, label] of labels.entries()) {
      const row = logits.subarray(i * classes, (i + 1) * classes);
      const top = Math.max(...row);
      const logSumExp = top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0));
      this.#loss += logSumExp - row[label]!;
      if (row.indexOf(top) === label) this.#right++;
      this.#count++;
    }
  }

  mean(): Scores {
    return { accuracy: this.#right / this.#count, loss: this.#loss / this.#count };
  }
}
