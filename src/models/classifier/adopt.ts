import {
  add,
  clip,
  concat,
  constant,
  input,
  inputName,
  mul,
  reshape,
  rewrite,
  round,
  slice,
  stopGradient,
  sub,
  tensorOf,
  transpose,
  type Graph,
  type Value,
} from '../../builder/index.ts';
import { headOf, type Head } from './head.ts';
import type { ImageSize } from './images.ts';
import type { InputPlan } from './plans.ts';

/** A file's graph as a classifier of images. */
export interface Adopted extends Head {
  /** `image` float32 [batch,C,H,W] in 0..1, RGB -> `logits` [batch,classes]. */
  readonly graph: Graph;
}

/**
 * A graph as its file has it, with the plan of its input as nodes before it, and what makes probabilities of logits taken
 * off its end.
 *
 * @param graph of one input and the output `name`.
 * @throws Error in one line when the output is not an answer for every class.
 */
export function adopt(graph: Graph, plan: InputPlan, size: ImageSize, name: string): Adopted {
  const own = graph.inputs.find((x) => inputName(x) === plan.name);
  const others = graph.inputs.filter((x) => x !== own);
  if (!own) throw new Error(`${graph.name}: the output ${name} does not depend on the input ${plan.name}`);
  if (others.length > 0) {
    throw new Error(`${graph.name} needs ${others.map(inputName).join(', ')} beside the images`);
  }
  const [batch] = own.shape;
  const image = input('image', 'float32', [batch!, size.channels, size.height, size.width]);
  const given = asFile(image, plan);
  const { [name]: output } = rewrite(
    { ...graph, outputs: { [name]: graph.outputs[name]! } },
    () => null,
    (value) => (value.source === own.source ? given : value),
  ).outputs;
  const head = headOf(name, output!, batch!);
  return { ...head, graph: { name: graph.name, inputs: [image], outputs: { logits: head.logits } } };
}

/** Images as a file is given them. */
function asFile(image: Value, { element, shape, layout, from, scale, shift }: InputPlan): Value {
  const ordered = reordered(image, from);
  const scaled = shifted(multiplied(ordered, scale), shift);
  const exact = isInteger(element) ? rounded(element === 'uint8' ? clip(scaled, 0, 255) : scaled) : scaled;
  const laid = layout === 'nhwc' ? transpose(exact, [0, 2, 3, 1]) : exact;
  const isFlat = laid.shape.slice(1).join() !== shape.join();
  return isFlat ? reshape(laid, [0, ...shape]) : laid;
}

const isInteger = (element: InputPlan['element']): boolean => element === 'uint8' || element === 'int32';

/** Whole numbers, with the gradient of what is rounded: a straight-through estimator. */
const rounded = (x: Value): Value => add(x, stopGradient(sub(round(x), x)));

/** The channels of an image in another order, or one of them several times. */
function reordered(image: Value, from: readonly number[]): Value {
  if (from.length === image.shape[1] && from.every((channel, i) => channel === i)) return image;
  return concat(
    from.map((channel) => (image.shape[1] === 1 ? image : slice(image, [channel], [channel + 1], [1]))),
    1,
  );
}

const multiplied = (x: Value, scale: readonly number[]): Value =>
  scale.every((factor) => factor === 1) ? x : mul(x, perChannel(scale));

const shifted = (x: Value, shift: readonly number[]): Value =>
  shift.every((offset) => offset === 0) ? x : add(x, perChannel(shift));

const perChannel = (numbers: readonly number[]): Value =>
  constant(tensorOf('float32', [1, numbers.length, 1, 1], numbers));
