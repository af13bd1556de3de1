import {
  adam,
  add,
  averaged,
  cast,
  clip,
  div,
  exp,
  grad,
  greater,
  input,
  less,
  max,
  min,
  mul,
  nn,
  reduceMean,
  reduceSum,
  reduceSumSquare,
  sqrt,
  stopGradient,
  sub,
  trainStep,
  type Program,
  type Value,
} from '../builder/index.ts';
import { logSoftmax } from './log-softmax.ts';
import { accuracy } from './accuracy.ts';
import { losses } from './classifier/losses.ts';
import type { Tunable } from './classifier/tune.ts';

/**
 * How a classifier is trained against attacks:
 * - `fast`: one step from a random start (Wong, Rice and Kolter 2020);
 * - `pgd`: several (Madry, Makelov, Schmidt, Tsipras and Vladu 2018);
 * - `trades`: the loss on clean images, and how far the answers to attacked ones are from those (Zhang et al. 2019).
 */
export const defences = ['fast', 'pgd', 'trades'] as const;
export type Defence = (typeof defences)[number];

/** The attack inside a training step, and what is learned from it. */
export interface DefenceSettings {
  readonly method: Defence;
  readonly norm: 'linf' | 'l2';
  /** Gradient steps of the attack, 1 or more. */
  readonly steps: number;
  /** The length of one, in parts of eps. */
  readonly stepSize: number;
  /**
   * The size of the random start, in parts of eps. Above 1, images are not brought back into the ball, which is N-FGSM where
   * there is one step (de Jorge et al. 2022).
   */
  readonly start: number;
  /** Of `trades`: the weight of the distance between clean and attacked answers. */
  readonly beta: number;
  /** Whether attacked images stay within 0..1; they do when it is absent. */
  readonly clip?: boolean;
}

/** What each method does unless it is told otherwise. */
export const defenceDefaults: { readonly [M in Defence]: Omit<DefenceSettings, 'method' | 'norm' | 'clip'> } =
  {
    fast: { steps: 1, stepSize: 1.25, start: 1, beta: 0 },
    pgd: { steps: 7, stepSize: 0.25, start: 1, beta: 0 },
    trades: { steps: 7, stepSize: 0.25, start: 0.01, beta: 6 },
  };

/** What an adversarial training step is made of. */
export interface AdversarialOptions extends DefenceSettings {
  readonly name: string;
  /** Decay of the weights' average, 0 for none. */
  readonly average: number;
}

/** What a step is given beside images and labels. */
export interface StepInputs {
  /** Bytes in the shape of the images, all equally likely: the random start. */
  readonly noise: Value;
  /** The optimizer's learning rate. */
  readonly rate: Value;
  /** The size of the attack. */
  readonly eps: Value;
}

/** The inputs `noise` uint8 [batch,C,H,W], `rate` and `eps`, scalars, of a program for such images. */
export const stepInputs = (image: Value): StepInputs => ({
  noise: input('noise', 'uint8', image.shape),
  rate: input('rate', 'float32', []),
  eps: input('eps', 'float32', []),
});

/**
 * One Adam step of a classifier on attacked images, as a program. Its data are `image`, `label` and {@link StepInputs};
 * metrics are the loss that it minimises and the accuracy on the attacked images.
 */
export function adversarialTrain(
  { batch, logits, parameters }: Pick<Tunable, 'batch' | 'logits' | 'parameters'>,
  size: { readonly channels: number; readonly height: number; readonly width: number },
  options: AdversarialOptions,
): Program {
  const image = input('image', 'float32', [batch, size.channels, size.height, size.width]);
  const label = input('label', 'int32', [batch]);
  const given = stepInputs(image);
  const { loss, attacked } = adversarialLoss(logits, logits, image, label, given, options);
  const optimizer = adam({ learningRate: given.rate });
  const { name, method, norm, steps, stepSize, start, beta, average } = options;
  return trainStep({
    name,
    loss,
    parameters,
    optimizer: average > 0 ? averaged(optimizer, average) : optimizer,
    data: [image, label, given.noise, given.rate, given.eps],
    metrics: { loss, accuracy: accuracy(attacked, label) },
    options: { method, norm, steps, stepSize, start, beta, average },
  });
}

type Logits = (image: Value) => Value;

/**
 * What a classifier minimises against attacks, and its logits of the attacked images.
 *
 * @param learner the classifier in training.
 * @param target the same as the attack sees it, which is in use.
 */
export function adversarialLoss(
  learner: Logits,
  target: Logits,
  image: Value,
  label: Value,
  { noise, eps }: StepInputs,
  settings: DefenceSettings,
): { readonly loss: Value; readonly attacked: Value } {
  const isTrades = settings.method === 'trades';
  const clean = isTrades ? learner(image) : null;
  const calm = isTrades ? stopGradient(target === learner ? clean! : target(image)) : null;
  const climbed = (x: Value): Value =>
    calm ? reduceSum(divergence(calm, target(x))) : reduceSum(losses.gap(target(x), label));
  const found = stopGradient(attackedImages(image, noise, eps, settings, climbed));
  const attacked = learner(found);
  if (!clean) return { loss: nn.crossEntropy(attacked, label), attacked };
  const apart = reduceMean(divergence(clean, attacked));
  return { loss: add(nn.crossEntropy(clean, label), mul(apart, settings.beta)), attacked };
}

/** Images after gradient steps up a loss, from a random start. */
function attackedImages(
  image: Value,
  noise: Value,
  eps: Value,
  { norm, steps, stepSize, start, clip: isClipped = true }: DefenceSettings,
  climbed: (x: Value) => Value,
): Value {
  // the middles of 256 intervals of -1..1
  const drawn = div(sub(cast(noise, 'float32'), 127.5), 128);
  const length = mul(eps, stepSize);
  const valid = isClipped ? (x: Value): Value => clip(x, 0, 1) : (x: Value): Value => x;
  const project = start > 1 ? valid : balls[norm](image, eps, isClipped);
  const direction = norm === 'linf' ? sign : unit;
  let x = project(add(image, mul(norm === 'linf' ? drawn : unit(drawn), mul(eps, start))));
  for (let step = 0; step < steps; step++) {
    const [slope] = grad(climbed(x), [x]);
    x = project(add(x, mul(direction(slope!), length)));
  }
  return x;
}

/** Into the ball around images and, where they are clipped, into 0..1. */
const balls: {
  readonly [N in 'linf' | 'l2']: (image: Value, eps: Value, isClipped: boolean) => (x: Value) => Value;
} = {
  linf: (image, eps, isClipped) => {
    const [low, high] = [sub(image, eps), add(image, eps)];
    const [least, most] = isClipped ? [max(low, 0), min(high, 1)] : [low, high];
    return (x) => max(min(x, most), least);
  },
  // the image lies in 0..1, so clipping brings nothing further from it
  l2: (image, eps, isClipped) => (x) => {
    const change = sub(x, image);
    const factor = min(div(eps, norms(change)), 1);
    const inside = add(image, mul(change, factor));
    return isClipped ? clip(inside, 0, 1) : inside;
  },
};

/** 1, 0 or -1, with operators that every provider has. */
const sign = (x: Value): Value => sub(cast(greater(x, 0), 'float32'), cast(less(x, 0), 'float32'));

/** Keeps a quotient finite where there is no slope. */
const tiny = 1e-12;

/** The Euclidean length of each image: [batch,1,1,1]. */
const norms = (x: Value): Value =>
  add(sqrt(reduceSumSquare(x, { axes: x.shape.slice(1).map((_, i) => i + 1), keepdims: true })), tiny);

const unit = (x: Value): Value => div(x, norms(x));

/** KL(softmax(a) || softmax(b)) of each image: [batch]. */
function divergence(a: Value, b: Value): Value {
  const [p, q] = [logSoftmax(a), logSoftmax(b)];
  return reduceSum(mul(exp(p), sub(p, q)), { axes: [1] });
}
