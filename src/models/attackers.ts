import {
  adam,
  add,
  clip,
  exp,
  inference,
  input,
  log,
  max,
  mul,
  neg,
  nn,
  abs,
  projected,
  reduceMean,
  reduceSum,
  softmax,
  stopGradient,
  sub,
  trainStep,
  type Graph,
  type Program,
  type Value,
} from '../builder/index.ts';
import { givenClassifier } from './classifier/given.ts';
import { losses } from './classifier/losses.ts';
import { beforeSoftmax } from './classifier/ports.ts';
import { accuracy, mean } from './accuracy.ts';
import { attack, attacker, type AttackerOptions, type Bound } from './networks/generator.ts';
import type { Sizes } from './networks/index.ts';
import { universal } from './networks/universal.ts';

/** `generator`: a network that makes a perturbation for each image; `universal`: one perturbation for all images. */
export const attackerKinds = ['generator', 'universal'] as const;
export type AttackerKind = (typeof attackerKinds)[number];

/**
 * What an attacker that aims at no class minimises; `p` is the probability of the label.
 *
 * - `ce`: log p, the negative cross-entropy: the paper's. It has no lower bound, and goes on where the answer is wrong
 *   already.
 * - `complement`: -log(1 - p), the cross-entropy of any other class. It is 0 where the answer is surely wrong, so that
 *   learning goes where it is right.
 */
export const objectives = ['complement', 'ce'] as const;
export type Objective = (typeof objectives)[number];

/** An attacker of classifiers that somebody brings, as plain data. */
export interface AttackerPlan extends Sizes {
  readonly kind: AttackerKind;
  /** The least and the largest eps; one number where they are the same. Where they differ, eps is an input. */
  readonly eps: readonly [low: number, high: number];
  readonly bound: Bound;
  /** Whether it is told the class to aim at. */
  readonly targeted: boolean;
  /** Channels of the network's first convolution; no matter to `universal`. */
  readonly width: number;
}

/** How an attacker is trained. */
export interface AttackerTraining {
  readonly batchSize: number;
  readonly learningRate: number;
  /** Of one that aims at no class; one that does minimises the cross-entropy of its target. */
  readonly objective: Objective;
  /**
   * How much the answers are to spread over the classes: the weight of the entropy of the mean probabilities over a batch,
   * which is maximised beside; 0 for not at all.
   */
  readonly spread: number;
}

/** The name under which the state of every attacker stands. */
const network = 'attacker';

/** The ports of an attacker beside the image. */
function portsOf({ eps: [low, high], targeted, classes }: AttackerPlan, batch: number | string) {
  const each = low < high ? input('eps', 'float32', [batch]) : null;
  const target = targeted ? input('target', 'int32', [batch]) : null;
  const options: Pick<AttackerOptions, 'eps' | 'target'> = {
    eps: each ? { each, largest: high } : high,
    ...(target && { target: nn.oneHot(target, classes) }),
  };
  return { each, target, options };
}

/** The network, or the perturbation, on images. */
const perturbed = (
  { kind, bound, width }: AttackerPlan,
  phase: nn.Phase,
  image: Value,
  options: Pick<AttackerOptions, 'eps' | 'target'>,
) =>
  nn.declare(network, phase, (scope) =>
    kind === 'generator'
      ? attacker(scope, image, { bound, width, ...options })
      : universal(scope, image, options),
  );

const imageInput = (batch: number | string, { image: { channels, height, width } }: Sizes): Value =>
  input('image', 'float32', [batch, channels, height, width]);

/**
 * One Adam step of an attacker against classifiers with their weights inside: `image`, `label`, and `eps` and `target`
 * where the plan has them -> `loss`, which is minimised, and `success`: the fraction of wrong answers, or of targets that
 * are answered. Of several classifiers both are means.
 *
 * @param against `image` [N,C,H,W] in 0..1 -> `logits` [N,classes]. A softmax at its end is left out.
 * @throws Error in one line when a classifier takes other images, or has other classes.
 */
export function attackerTraining(
  plan: AttackerPlan,
  { batchSize, learningRate, objective, spread }: AttackerTraining,
  against: readonly Graph[],
): Program {
  const image = imageInput(batchSize, plan);
  const label = input('label', 'int32', [batchSize]);
  const { each, target, options } = portsOf(plan, batchSize);
  const own = perturbed(plan, 'train', image, options);
  const attacked =
    plan.kind === 'universal' ? shared(image, own.result) : attack(image, own.result, { clip: true });
  const answers = against.map((one) => beforeSoftmax(givenClassifier(one, attacked, plan.classes)));
  const aim = mean(
    answers.map((logits) => (target ? nn.crossEntropy(logits, target) : awayFrom[objective](logits, label))),
  );
  const loss = spread > 0 ? sub(aim, mul(mean(answers.map(spreadOf)), spread)) : aim;
  const step = adam({ learningRate, network });
  const hits = mean(answers.map((logits) => accuracy(logits, target ?? label)));
  return trainStep({
    name: 'attacker-against',
    loss,
    parameters: own.parameters,
    optimizer: plan.kind === 'universal' ? projected(step, -1, 1) : step,
    data: [image, label, ...(each ? [each] : []), ...(target ? [target] : [])],
    metrics: { loss, success: target ? hits : sub(1, hits) },
  });
}

/**
 * A valid image whose gradient ignores the clipping (straight-through), as in Shafahi et al. 2020. What darkens a pixel that is
 * black in most images has no gradient through the clip, and stays as it is though it ought to brighten.
 */
function shared(image: Value, perturbation: Value): Value {
  const sum = add(image, perturbation);
  return add(sum, stopGradient(sub(clip(sum, 0, 1), sum)));
}

const awayFrom: { readonly [O in Objective]: (logits: Value, label: Value) => Value } = {
  ce: (logits, label) => neg(nn.crossEntropy(logits, label)),
  // log(1 + e^-gap), without overflow
  complement(logits, label) {
    const gap = losses.gap(logits, label);
    return reduceMean(add(max(neg(gap), 0), log(add(exp(neg(abs(gap))), 1))));
  },
};

/** The entropy in nats of the mean probabilities over the batch: 0 where all answers are surely the same class. */
function spreadOf(logits: Value): Value {
  const part = reduceMean(softmax(logits), { axes: [0] });
  return neg(reduceSum(mul(part, log(add(part, 1e-12)))));
}

/**
 * An attacker as it is used: `image` [batch,C,H,W] in 0..1, and `eps` float32 [batch] and `target` int32 [batch] where the
 * plan has them -> `perturbation` in [-eps, eps] and `attacked` in 0..1, of the size of the image.
 */
export function attackerUse(plan: AttackerPlan): Program {
  const image = imageInput('batch', plan);
  const { each, target, options } = portsOf(plan, 'batch');
  const { result: perturbation, parameters } = perturbed(plan, 'infer', image, options);
  return inference({
    name: 'attacker',
    data: [image, ...(each ? [each] : []), ...(target ? [target] : [])],
    parameters: [parameters],
    outputs: { perturbation, attacked: attack(image, perturbation, { clip: true }) },
  });
}
