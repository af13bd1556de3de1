import {
  bindDims,
  foldBatchNorm,
  grad,
  input,
  lower,
  reduceSum,
  type Graph,
  type Target,
} from '../../builder/index.ts';
import { decode, encode } from '../../onnx/index.ts';
import { beforeSoftmax, portsOf } from './ports.ts';
import { losses, needsTarget, type Loss, type LossName } from './losses.ts';

/**
 * A classifier with its gradient, as a graph with the weights inside: what gradient attacks ask of it.
 *
 * | input    | type                      | what                                                            |
 * | -------- | ------------------------- | --------------------------------------------------------------- |
 * | `image`  | float32, the classifier's | images                                                          |
 * | `label`  | int32 [batch]             | their classes                                                   |
 * | `target` | int32 [batch]             | the wished-for classes; of `difference` and `dlr-targeted` alone |
 *
 * Outputs: `logits` [batch,classes]; `loss` [batch]; `gradient`, in the shape of `image`: that of the sum of the losses,
 * so each image's part is the gradient of its own loss. Of a classifier that ends in a softmax, loss and gradient are
 * those of what the softmax is given, because the gradient through it vanishes where the classifier is sure of itself.
 *
 * @param classifier any graph with one input `image` [batch,...] and an output `logits` [batch,classes]; of its
 *   operators each must have a gradient rule.
 * @throws Error in one line when the classifier is none, an operator has no rule, or there are too few classes.
 */
export function classifierGradient(classifier: Graph, loss: LossName = 'ce'): Graph {
  // folded first, so that the gradient too is that of the folded convolutions
  const { image, logits } = portsOf(foldBatchNorm(classifier));
  const classOf = (name: string) => input(name, 'int32', [image.shape[0]!]);
  const label = classOf('label');
  const target = needsTarget(loss) ? classOf('target') : null;
  const each = (losses[loss] as Loss)(beforeSoftmax(logits), label, target);
  const [gradient] = grad(reduceSum(each), [image]);
  return {
    name: `${classifier.name}-gradient-${loss}`,
    inputs: [image, label, ...(target ? [target] : [])],
    outputs: { logits, loss: each, gradient: gradient! },
  };
}

/**
 * {@link classifierGradient} as an ONNX file.
 *
 * @param classifier the bytes of an ONNX model, or its graph.
 * @param target `cpu` for Node and WASM, `webgpu` for WebGPU, where no operator falls back to the CPU.
 * @param batch the only number of images that the model is to take; any number when absent. On a CPU it is faster for one:
 *   ONNX Runtime multiplies two values in the layout of its convolutions only where it knows that their shapes are equal.
 */
export function classifierGradientModel(
  classifier: Uint8Array | Graph,
  target: Target,
  loss: LossName = 'ce',
  batch?: number,
): Uint8Array {
  const graph = classifier instanceof Uint8Array ? decode(classifier).graph : classifier;
  const gradient = classifierGradient(graph, loss);
  const open = gradient.inputs[0]!.shape[0];
  const bound =
    batch !== undefined && typeof open === 'string' ? bindDims(gradient, { [open]: batch }) : gradient;
  return encode(lower(bound, target));
}
