import { inOrder, type ImageSource } from '../data/source.ts';
import { ConfusionCounter, type BeforeAfter, type Confusion } from '../audit/confusion.ts';
import type { Confusions } from './records.ts';
import { fillUniform, stream, type Random } from '../random.ts';
import { scoresOf } from '../attacks/score.ts';
import { modelDevice, openModel, type Model, type SessionOptions } from '../session.ts';
import { float32, type Tensor } from '../tensor.ts';

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
export interface TrainedModels {
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
  /** Images at once; 250 when absent. Scores depend on it only where a model normalises by the batch. */
  readonly measuredAt?: number;
}

const usual = 250;

/** Both classifiers' scores. */
export interface BothScores {
  readonly c1: ClassifierScores;
  readonly c2: ClassifierScores;
}

/** Both classifiers' scores, and which classes they answered; `confusions` is absent until there is an attacker. */
export interface Evaluated extends BothScores {
  readonly confusions?: Confusions;
}

/**
 * Accuracy and loss of both classifiers over a whole split: on clean images, under uniform noise in [-eps, eps], and on
 * attacked images when there is an attacker, and the classes answered to clean and to attacked ones. Yields the number of
 * images done.
 */
export async function* evaluate(
  split: ImageSource,
  { c1, c2, attacker: bytes }: TrainedModels,
  options: EvaluateOptions,
): AsyncGenerator<number, Evaluated> {
  const attacker = bytes && (await open(bytes, options));
  const random = stream(options.seed, 'noise');
  const views = async (image: Tensor): Promise<Views> => ({
    clean: image,
    noise: withNoise(image, options, random),
    ...(attacker && { attacked: (await attacker.run({ image }))['attacked']! }),
  });
  try {
    const sums = yield* score(split, { c1, c2 }, views, options);
    const scores = { c1: means(sums['c1']!), c2: means(sums['c2']!) };
    if (!attacker) return scores;
    return { ...scores, confusions: { c1: beforeAfter(sums['c1']!), c2: beforeAfter(sums['c2']!) } };
  } finally {
    await attacker?.close();
  }
}

/**
 * As {@link evaluate} without an attacker, under noise of several eps at once: the clean images are judged once. The
 * scores are in the order of `eps`.
 */
export async function* evaluateNoise(
  split: ImageSource,
  classifiers: Pick<TrainedModels, 'c1' | 'c2'>,
  { eps, ...options }: Omit<EvaluateOptions, 'eps'> & { readonly eps: readonly number[] },
): AsyncGenerator<number, readonly (BothScores & { readonly eps: number })[]> {
  const noises = eps.map((e) => ({ eps: e, random: stream(options.seed, 'noise') }));
  const views = (image: Tensor): Views =>
    Object.fromEntries([
      ['clean', image],
      ...noises.map(({ eps: e, random }) => [e, withNoise(image, { ...options, eps: e }, random)]),
    ]) as Views;
  const { c1, c2 } = yield* score(split, classifiers, views, options);
  const under = (sums: Sums, e: number): ClassifierScores => ({
    clean: sums['clean']!.mean(),
    noise: sums[e]!.mean(),
  });
  return eps.map((e) => ({ eps: e, c1: under(c1!, e), c2: under(c2!, e) }));
}

const open = (bytes: Uint8Array, options: SessionOptions): Promise<Model> =>
  openModel(bytes, { ...options, device: modelDevice(options.device) });

/** What a classifier is shown of a batch, by the name that its scores get. */
type Views = Readonly<Record<string, Tensor>>;

/** What a classifier gave, by view. */
type Sums = Readonly<Record<string, Sum>>;

const means = (sums: Sums): ClassifierScores => ({
  clean: sums['clean']!.mean(),
  noise: sums['noise']!.mean(),
  ...(sums['attacked'] && { attacked: sums['attacked'].mean() }),
});

const beforeAfter = (sums: Sums): BeforeAfter => ({
  clean: sums['clean']!.confusion,
  attacked: sums['attacked']!.confusion,
});

/** What each classifier gives on each view of a split. Yields the number of images done. */
async function* score(
  split: ImageSource,
  classifiers: Readonly<Record<string, Uint8Array>>,
  views: (image: Tensor) => Views | Promise<Views>,
  options: SessionOptions & Pick<EvaluateOptions, 'measuredAt'>,
): AsyncGenerator<number, Readonly<Record<string, Sums>>> {
  const judged: { readonly name: string; readonly model: Model; readonly sums: Record<string, Sum> }[] = [];
  try {
    for (const [name, bytes] of Object.entries(classifiers)) {
      judged.push({ name, model: await open(bytes, options), sums: {} });
    }
    for await (const { start, image, label } of inOrder(split, options.measuredAt ?? usual)) {
      const shown = Object.entries(await views(image));
      for (const { model, sums } of judged) {
        for (const [view, input] of shown) {
          const { logits } = await model.run({ image: input });
          (sums[view] ??= new Sum()).add(logits!.data as Float32Array, label.data as Int32Array);
        }
      }
      yield start + label.data.length;
    }
    return Object.fromEntries(judged.map(({ name, sums }) => [name, sums]));
  } finally {
    for (const { model } of judged) await model.close();
  }
}

/** The image with uniform noise in [-eps, eps] on every pixel. */
export function withNoise(
  image: Tensor,
  { eps, clip }: Pick<EvaluateOptions, 'eps' | 'clip'>,
  random: Random,
): Tensor {
  const data = new Float32Array(image.data.length);
  fillUniform(data, -eps, eps, random);
  for (let i = 0; i < data.length; i++) {
    const sum = data[i]! + Number(image.data[i]);
    data[i] = clip ? Math.min(1, Math.max(0, sum)) : sum;
  }
  return float32(image.shape, data);
}

/** Right answers and cross-entropy, summed in double precision, and all answers, counted. */
class Sum {
  #count = 0;
  #right = 0;
  #loss = 0;
  readonly #answers = new ConfusionCounter();

  add(logits: Float32Array, labels: Int32Array): void {
    const classes = logits.length / labels.length;
    let i = 0;
    for (const { answer, right, loss } of scoresOf(
      { data: logits, shape: [labels.length, classes] },
      labels,
    )) {
      this.#loss += loss;
      if (right) this.#right++;
      this.#count++;
      this.#answers.add(labels[i++]!, answer, classes);
    }
  }

  get confusion(): Confusion {
    return this.#answers.counts;
  }

  mean(): Scores {
    return { accuracy: this.#right / this.#count, loss: this.#loss / this.#count };
  }
}
