import {
  foldBatchNorm,
  gradientStops,
  hasGradient,
  inputName,
  reduceSum,
  showType,
  type Graph,
  type Value,
} from '../../builder/index.ts';

const showInputs = ({ inputs }: Graph): string =>
  inputs.map((x) => `${inputName(x)} ${showType(x)}`).join(', ') || 'none';

/**
 * The operators at which the gradient of a classifier ends, when it is zero by construction because no differentiable
 * path leads from the image to the logits; null when there is a path.
 *
 * @param classifier with an input `image` and an output `logits`.
 * @throws Error in one line when an operator on the way has no gradient rule.
 */
export function gradientEnds(classifier: Graph): readonly string[] | null {
  const { image, logits } = portsOf(foldBatchNorm(classifier));
  return hasGradient(reduceSum(logits), image) ? null : gradientStops(logits, image);
}

/**
 * What the softmax at the end of a classifier is given; the logits themselves where there is none. A gradient that is
 * taken through the softmax vanishes in float32 where the classifier is sure of itself.
 */
export function beforeSoftmax(logits: Value): Value {
  const { source } = logits;
  if (source.kind !== 'node') return logits;
  if (source.op === 'Identity') return beforeSoftmax(source.inputs[0]!);
  const { axis = -1 } = source.attrs as { readonly axis?: number };
  return source.op === 'Softmax' && (axis === -1 || axis === 1) ? source.inputs[0]! : logits;
}

/**
 * The input `image` and the output `logits` of a classifier that somebody brings.
 *
 * @throws Error in one line when the graph has others, or `logits` is not [batch,classes].
 */
export function portsOf(graph: Graph): { readonly image: Value; readonly logits: Value } {
  const { name, inputs, outputs } = graph;
  const [image, ...others] = inputs;
  const { logits } = outputs;
  if (!image || others.length > 0 || inputName(image) !== 'image' || image.dtype !== 'float32') {
    throw new Error(
      `${name} must have one input, image, of float32; it has ${showInputs(graph)}; rename or cast it`,
    );
  }
  if (!logits) {
    const found = Object.keys(outputs).join(', ');
    throw new Error(`${name} has no output logits, only ${found}; rename the one before softmax`);
  }
  if (
    logits.shape.length !== 2 ||
    logits.shape[0] !== image.shape[0] ||
    typeof logits.shape[1] !== 'number'
  ) {
    throw new Error(
      `logits ${showType(logits)} of ${name} must be [${image.shape[0]},classes]; reshape them`,
    );
  }
  return { image, logits };
}
