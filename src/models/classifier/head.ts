import {
  concat,
  constantNumbers,
  reshape,
  showType,
  zerosLike,
  type AnyNode,
  type Dim,
  type Value,
} from '../../builder/index.ts';
import { knownNumbers } from '../../builder/evaluate.ts';
import type { FileOutput, ModelDescription } from '../../onnx/index.ts';
import { showPort } from './images.ts';
import type { OutputForm, OutputPlan } from './plans.ts';

/**
 * The name of the output that gives an answer for every class: the one that the options name, the one called `logits`, or
 * the only one that can be.
 *
 * @throws Error in one line when there is none or several.
 */
export function outputName({ name: model, outputs }: ModelDescription, wanted?: string): string {
  const shown = outputs.map(showPort).join(', ') || 'none';
  const name = wanted ?? (outputs.some((port) => port.name === 'logits') ? 'logits' : undefined);
  if (name !== undefined) {
    if (outputs.some((port) => port.name === name)) return name;
    throw new Error(`${model} has no output ${name}; it has ${shown}`);
  }
  const possible = outputs.length === 1 ? outputs : outputs.filter(isAnswer);
  const [found, ...others] = possible;
  if (found && others.length === 0) return found.name;
  throw new Error(
    `${model} has ${outputs.length} outputs, ${shown}; name the one of logits or probabilities (output)`,
  );
}

const isAnswer = ({ element, shape }: FileOutput): boolean =>
  (element === null || element.startsWith('float')) &&
  (shape === null || (shape.length >= 2 && shape[1] !== 1 && shape.slice(2).every((dim) => dim === 1)));

/** Logits [batch,classes], and what the file makes of them. */
export interface Head {
  readonly logits: Value;
  readonly classes: number;
  readonly plan: Omit<OutputPlan, 'name'>;
}

/**
 * The logits behind a model's output, in the form [batch,classes]: a softmax or sigmoid at the end is taken off, because
 * the gradient through it vanishes where the classifier is sure of itself. A single number becomes two classes.
 *
 * @param batch of the images.
 * @throws Error in one line when the output is not an answer for every class.
 */
export function headOf(name: string, output: Value, batch: Dim): Head {
  const count = answers(name, output, batch);
  const { form, before } = activation(output, count);
  const flat = isMatrix(before, count) ? before : reshape(before, [-1, count]);
  if (flat.shape[0] !== batch) throw fixedInside(name, output, batch);
  if (count > 1) return { logits: flat, classes: count, plan: { form, single: false } };
  const two = concat([zerosLike(flat), flat], 1);
  return { logits: two, classes: 2, plan: { form, single: true } };
}

const isMatrix = ({ shape }: Value, count: number): boolean => shape.length === 2 && shape[1] === count;

/** How many numbers there are an image. */
function answers(name: string, output: Value, batch: Dim): number {
  const [first, classes = 1, ...rest] = output.shape;
  if (typeof classes !== 'number' || rest.some((dim) => dim !== 1) || output.shape.length === 0) {
    throw new Error(`output ${name} is ${showType(output)}, must be [${batch},classes]; name another output`);
  }
  if (first !== batch) throw fixedInside(name, output, batch);
  return classes;
}

const fixedInside = (name: string, output: Value, batch: Dim): Error =>
  new Error(`output ${name} is ${showType(output)} to ${batch} images: the batch is fixed inside the model`);

/**
 * What stands between logits and the output, and the value before it. Passes by what moves no value, by the rounding of a
 * quantised file, and by limits that keep probabilities from 0 and 1.
 */
function activation(output: Value, count: number): { readonly form: OutputForm; readonly before: Value } {
  const exact = unrounded(output);
  let isRounded = exact !== null;
  let value = exact ?? output;
  while (value.source.kind === 'node' && value.index === 0) {
    const node: AnyNode = value.source;
    const [x] = node.inputs as readonly [Value];
    if (node.op === 'Softmax' || node.op === 'LogSoftmax') {
      if (count === 1 || !isOverClasses(node, x, count)) break;
      if (node.op === 'Softmax') {
        return { form: isRounded ? 'rounded-probabilities' : 'probabilities', before: x };
      }
      if (isRounded) break;
      return { form: 'log-probabilities', before: x };
    }
    if (node.op === 'Sigmoid') return { form: isRounded ? 'rounded-sigmoid' : 'sigmoid', before: x };
    if (isNarrowClip(node)) isRounded = true;
    // the order of the values stays: a batch of columns is the only thing that there is
    else if (!moving.has(node.op) || x.dtype !== value.dtype) break;
    value = x;
  }
  return { form: 'logits', before: output };
}

/** Whether a node limits probabilities a little: `clip(p, 1e-7, 1 - 1e-7)`, as Keras' losses have it. */
function isNarrowClip({ op, inputs: [, low, high] }: AnyNode): boolean {
  if (op !== 'Clip') return false;
  const [[least = -Infinity], [most = Infinity]] = [low, high].map(
    (limit) => (limit && constantNumbers(limit)) ?? [],
  ) as [readonly number[], readonly number[]];
  return least <= 0.01 && most >= 0.99;
}

/** What QuantizeLinear and DequantizeLinear with one scale have rounded; null for a value that they do not give. */
function unrounded(output: Value): Value | null {
  let value = output;
  let isRounded = false;
  // the output is a value times a plus b
  let [a, b] = [1, 0];
  while (value.source.kind === 'node') {
    const { op, inputs }: AnyNode = value.source;
    const [x, by] = inputs as readonly [Value, Value | undefined];
    if (op === 'Add' && isStopped(by!)) {
      isRounded = true;
    } else if (op !== 'Cast' && op !== 'Clip') {
      const [c, ...others] = (by && knownNumbers(by)) ?? [];
      if (c === undefined || others.length > 0) break;
      if (op === 'Mul') a *= c;
      else if (op === 'Div') a /= c;
      else if (op === 'Add') b += a * c;
      else if (op === 'Sub') b -= a * c;
      else break;
    }
    value = x;
  }
  return isRounded && Math.abs(a - 1) < 1e-5 && Math.abs(b) < 1e-5 ? value : null;
}

const isStopped = ({ source }: Value): boolean => source.kind === 'node' && source.op === 'StopGradient';

const moving: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** Whether a softmax runs over all the classes of an image. */
function isOverClasses({ attrs }: AnyNode, { shape }: Value, count: number): boolean {
  const { axis = -1 } = attrs as { readonly axis?: number };
  const at = axis < 0 ? axis + shape.length : axis;
  return at > 0 && shape[at] === count && shape.every((dim, i) => i === 0 || i === at || dim === 1);
}

/** The plan of an output of a model whose nodes cannot be read: by its declared shape and the operator that makes it. */
export function declaredHead({ name, shape, operator }: FileOutput): Omit<Head, 'logits'> {
  const [, count = 1, ...rest] = shape ?? [];
  if (!shape || typeof count !== 'number' || rest.some((dim) => dim !== 1)) {
    throw new Error(`output ${name} has no shape [batch,classes] in the file; export it again with one`);
  }
  const form = forms[operator ?? ''] ?? 'logits';
  return { classes: Math.max(2, count), plan: { form, single: count === 1 } };
}

const forms: Readonly<Record<string, OutputForm>> = {
  Softmax: 'probabilities',
  LogSoftmax: 'log-probabilities',
  Sigmoid: 'sigmoid',
};
