import {
  foldBatchNorm,
  inputName,
  lower,
  rewrite,
  showType,
  softmax,
  type Graph,
  type Value,
} from '../builder/index.ts';
import { encode } from '../onnx/index.ts';

/**
 * The input `image` and the output `logits` of a classifier that somebody brings.
 *
 * @throws Error in one line when the graph has others, or `logits` is not [batch,classes].
 */
export function portsOf({ name, inputs, outputs }: Graph): { readonly image: Value; readonly logits: Value } {
  const [image, ...others] = inputs;
  const { logits } = outputs;
  if (!image || others.length > 0 || inputName(image) !== 'image' || image.dtype !== 'float32') {
    const found = inputs.map((x) => `${inputName(x)} ${showType(x)}`).join(', ') || 'none';
    throw new Error(`${name} must have one input, image, of float32; it has ${found}; rename or cast it`);
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
 * A classifier that somebody brings, on other images than its input: float32 [N,1,28,28] -> logits [N,10].
 *
 * @throws Error in one line when it is no classifier of such images.
 */
export function givenClassifier(classifier: Graph, image: Value): Value {
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
  if (logits!.shape[1] !== 10) throw new Error(`${folded.name} has ${logits!.shape[1]} classes, not 10`);
  return logits!;
}

/** The same classifier as a run keeps one: `image` -> `logits` and `probabilities`, in plain ONNX. */
export function givenModel(classifier: Graph): Uint8Array {
  const { logits } = portsOf(classifier);
  const outputs = { logits, probabilities: softmax(logits) };
  return encode(lower({ ...classifier, outputs }, 'plain'));
}
