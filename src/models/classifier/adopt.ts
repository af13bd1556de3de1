import {
  foldBatchNorm,
  gradientStops,
  hasGradient,
  input,
  inputName,
  lower,
  reduceSum,
  rewrite,
  showType,
  softmax,
  type Graph,
  type Value,
} from '../../builder/index.ts';
import { encode } from '../../onnx/index.ts';

/**
 * A classifier that somebody brings, under the names that all programs here use: its only input becomes `image`, and its
 * output `logits`, or its only output, becomes `logits`. Other outputs are left out.
 *
 * @throws Error in one line when there is another number of inputs or outputs, or the batch is of one size only.
 */
export function adopt(graph: Graph): Graph {
  const { name, inputs, outputs } = graph;
  const [own, ...others] = inputs;
  if (!own || others.length > 0) {
    throw new Error(`${name} must have one input, the images; it has ${showInputs(graph)}`);
  }
  const [batch] = own.shape;
  if (typeof batch === 'number') {
    const axes = `dynamic_axes={'${inputName(own)}': {0: 'batch'}} in PyTorch`;
    throw new Error(
      `${name}: its input ${inputName(own)} ${showType(own)} has a fixed batch of ${batch}; ` +
        `export it again with a dynamic batch axis (${axes})`,
    );
  }
  const logits = outputs[logitsName(graph)]!;
  const image = inputName(own) === 'image' ? own : input('image', own.dtype, own.shape);
  return rewrite(
    { ...graph, inputs: [image], outputs: { logits } },
    () => null,
    (value) => (value.source.kind === 'input' ? image : value),
  );
}

/** Which output of a classifier that somebody brings holds its logits: `logits`, or the only one. */
export function logitsName({ name, outputs }: Graph): string {
  const names = Object.keys(outputs);
  const found = names.includes('logits') ? 'logits' : names.length === 1 ? names[0] : undefined;
  if (found !== undefined) return found;
  throw new Error(
    `${name} has several outputs, ${names.join(', ') || 'none'}; call the one before softmax logits`,
  );
}

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

/**
 * A classifier that somebody brings, on other images than its input: float32 [N,C,H,W] -> logits [N,classes].
 *
 * @throws Error in one line when it is no classifier of such images.
 */
export function givenClassifier(classifier: Graph, image: Value, classes: number): Value {
  // folded first, so that the gradient too is that of the folded convolutions
  const folded = foldBatchNorm(classifier);
  const ports = portsOf(folded);
  const pixels = ports.image.shape.slice(1).join();
  if (pixels !== image.shape.slice(1).join()) {
    throw new Error(`${folded.name} takes images [${pixels}], not [${image.shape.slice(1).join()}]`);
  }
  const { logits } = rewrite(
    folded,
    () => null,
    (value) => (value.source.kind === 'input' ? image : value),
  ).outputs;
  if (logits!.shape[0] !== image.shape[0]) {
    throw new Error(
      `${folded.name} gives logits ${showType(logits!)} to images ${showType(image)}: its batch is fixed inside; ` +
        'export it again with a dynamic batch axis',
    );
  }
  if (logits!.shape[1] !== classes) {
    throw new Error(`${folded.name} has ${logits!.shape[1]} classes, not ${classes}`);
  }
  return logits!;
}

/** The same classifier as a run keeps one: `image` -> `logits` and `probabilities`, in plain ONNX. */
export function givenModel(classifier: Graph): Uint8Array {
  const { logits } = portsOf(classifier);
  const outputs = { logits, probabilities: softmax(logits) };
  return encode(lower({ ...classifier, outputs }, 'plain'));
}
