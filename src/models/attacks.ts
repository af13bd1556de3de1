import {
  abs,
  add,
  cast,
  decode,
  encode,
  exp,
  foldBatchNorm,
  grad,
  greater,
  input,
  less,
  log,
  lower,
  max,
  min,
  mul,
  neg,
  nn,
  reduceMax,
  reduceSum,
  relu,
  stopGradient,
  sub,
  type Graph,
  type Target,
  type Value,
} from '../builder/index.ts';
import { beforeSoftmax, portsOf } from './given.ts';

/**
 * One step of a gradient attack in the L-infinity ball, as a graph with the classifier's weights inside: both FGSM
 * (Goodfellow, Shlens and Szegedy 2014) and projected gradient descent (Madry et al. 2017) are made of it.
 *
 *     next = project(image + stepSize * sign(d crossEntropy(logits(image), label) / d image))
 *     project(x) = clip(clip(x, origin - eps, origin + eps), low, high)
 *
 * With `image` = `origin` and `stepSize` = `eps` a run is FGSM. PGD starts anywhere in the ball and in [low, high], and
 * feeds `next` back as `image`. A negative `stepSize` goes down the loss: with a wished-for class as `label` that is the
 * targeted attack. `stepSize` 0 projects alone.
 *
 * | input         | type                       | what                                                          |
 * | ------------- | -------------------------- | ------------------------------------------------------------- |
 * | `image`       | float32, the classifier's  | the images as they are now                                    |
 * | `origin`      | float32, the same          | the images that are attacked                                  |
 * | `label`       | int32 [batch]              | their classes                                                 |
 * | `eps`         | float32 scalar             | largest change of a pixel                                     |
 * | `stepSize`    | float32 scalar             | change of a pixel in this step                                |
 * | `low`, `high` | float32 scalars            | valid range of a pixel: 0 and 1, or bounds that never bind    |
 *
 * Outputs: `next`, the images after the step; `logits` [batch,classes] and `loss` [batch], the cross-entropy in nats,
 * both of `image`, so of the images before the step. Of a classifier that ends in a softmax, loss and gradient are those
 * of what the softmax is given, because the gradient through it vanishes where the classifier is sure of itself.
 *
 * @param classifier any graph with one input `image` [batch,...] and an output `logits` [batch,classes]; of its
 *   operators each must have a gradient rule.
 * @throws Error in one line when the classifier is none, or an operator has no rule.
 */
export function attackStep(classifier: Graph): Graph {
  // folded first, so that the gradient too is that of the folded convolutions
  const { image, logits } = portsOf(foldBatchNorm(classifier));
  const origin = input('origin', 'float32', image.shape);
  const label = input('label', 'int32', [image.shape[0]!]);
  const [eps, stepSize, low, high] = ['eps', 'stepSize', 'low', 'high'].map((name) =>
    input(name, 'float32', []),
  ) as [Value, Value, Value, Value];

  const gap = lossGap(beforeSoftmax(logits), label);
  const [slope] = grad(reduceSum(gap), [image]);
  const moved = add(image, mul(stepSize, signOf(slope!)));
  const near = min(max(moved, sub(origin, eps)), add(origin, eps));
  return {
    name: `${classifier.name}-attack-step`,
    inputs: [image, origin, label, eps, stepSize, low, high],
    outputs: {
      next: min(max(near, low), high),
      logits,
      // log(1 + e^gap), without overflow
      loss: add(relu(gap), log(add(exp(neg(abs(gap))), 1))),
    },
  };
}

/**
 * {@link attackStep} as an ONNX file.
 *
 * @param classifier the bytes of an ONNX model, our `classifier-c1.onnx` or another (opset 13 to 17), or its graph.
 * @param target `cpu` for Node and WASM, `webgpu` for WebGPU, where no operator falls back to the CPU.
 */
export function attackStepModel(classifier: Uint8Array | Graph, target: Target): Uint8Array {
  const graph = classifier instanceof Uint8Array ? decode(classifier).graph : classifier;
  return encode(lower(attackStep(graph), target));
}

/**
 * How far the other classes lie above the label's: logsumexp(z_j, j != label) - z_label, [batch].
 *
 * The cross-entropy is log(1 + e^gap), so its gradient is sigmoid(gap) > 0 times that of the gap: of the same sign.
 * Taken by way of softmax the gradient vanishes in float32 where the classifier is sure of itself (softmax - 1 is 0
 * from a gap of -17 on), and an attack that stands still there makes a classifier look robust that is not.
 */
function lossGap(logits: Value, label: Value): Value {
  const own = nn.oneHot(label, logits.shape[1] as number);
  const others = sub(logits, mul(own, 1e30));
  const top = stopGradient(reduceMax(others, { axes: [1], keepdims: true }));
  const sum = reduceSum(exp(sub(others, top)), { axes: [1], keepdims: true });
  return reduceSum(sub(add(top, log(sum)), reduceSum(mul(logits, own), { axes: [1], keepdims: true })), {
    axes: [1],
  });
}

/** -1, 0 or 1, by comparisons: WebGPU has no Sign. */
const signOf = (x: Value): Value => sub(cast(greater(x, 0), 'float32'), cast(less(x, 0), 'float32'));
