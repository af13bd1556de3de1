import {
  cast,
  constant,
  div,
  foldBatchNorm,
  lower,
  mul,
  rewrite,
  showType,
  softmax,
  type Graph,
  type Value,
} from '../../builder/index.ts';
import { encode } from '../../onnx/index.ts';
import { portsOf } from './ports.ts';

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
    (value) => {
      if (value.source.kind === 'input') return image;
      // without the names of its file: another classifier, or the program, may have the same
      return value.source.kind === 'constant' ? constant(value.source.tensor) : value;
    },
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
  return encode(lower(straightThrough({ ...classifier, outputs }), 'plain'));
}

/** Bits behind the point that stay of a rounding error, which is 1/2 at most: more than float32 has of the bytes 1 to 255. */
const bits = 2 ** 24;

/**
 * A graph that rounds with the gradient of what it rounds, x + stop(round(x) - x), in operators of ONNX, which has none
 * that stops a gradient but keeps the value: a cast to integers does both. A run reads its classifiers' files again.
 */
const straightThrough = (graph: Graph): Graph =>
  rewrite(graph, ({ op, inputs }) => {
    const [x] = inputs;
    if (op !== 'StopGradient' || !isRoundingError(x!)) return null;
    return [div(cast(cast(mul(x!, bits), 'int32'), x!.dtype), bits)];
  });

const isRoundingError = ({ source }: Value): boolean =>
  source.kind === 'node' &&
  source.op === 'Sub' &&
  source.inputs[0]!.source.kind === 'node' &&
  source.inputs[0]!.source.op === 'Round';
