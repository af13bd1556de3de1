import { traits } from '../attributes.ts';
import {
  topologicalOrder,
  type AnyNode,
  type Graph,
  type Node,
  type OpType,
  type Ops,
  type Value,
  type Window,
} from '../ir.ts';
import {
  add,
  apply,
  concat,
  conv,
  convTranspose,
  convWeightGrad,
  max,
  pad,
  reduceSum,
  reshape,
  slice,
  transpose,
} from '../ops.ts';
import { rewrite } from '../rewrite.ts';
import { geometry, spatial } from '../window.ts';
import { isTrained } from './frozen.ts';
import { tiles, toFirstMaximum } from './pool.ts';
import { readersOf } from './readers.ts';
import { reductionOf } from './reduce.ts';
import { channels } from './rows.ts';

/**
 * Convolutions of a few channels before a max-pool of 2x2: the four outputs of a window of the pool become channels of one
 * convolution of stride 2, whose kernel has one row and one column more. Pooling, and putting its gradient back, are then
 * operations of whole parts, element by element, instead of walks over windows.
 *
 * Between the convolution and the pool, values stand in phases: [N,4,C,H/2,W/2] for [N,C,H,W]. Whoever reads one in a way that
 * is not known here gets it as it was.
 */
export function poolsInPhases(graph: Graph): Graph {
  const chosen = convolutionsBeforePools(graph);
  /** Values in phases by what they stand for. */
  const phased = new Map<Value, Value>();
  const standsFor = (p: Value): readonly Value[] => {
    const y = unphased(p);
    phased.set(y, p);
    return [y];
  };
  return rewrite(graph, (node, original) => {
    if (chosen.has(original)) return standsFor(convInPhases(node as Node<'Conv'>));
    const inputs = node.inputs.map((x) => (x && phased.get(x)) ?? null);
    const [first, second] = inputs;
    if (first && node.op === 'MaxPool' && isOfPairs(node as Node<'MaxPool'>)) {
      const [, , c, h, w] = first.shape as readonly number[];
      return [reshape(largest(first), [-1, c!, h!, w!]), node.outputs[1]!];
    }
    if (first && node.op === 'MaxPoolGrad' && isOfPairs(node as Node<'MaxPoolGrad'>)) {
      return standsFor(poolGradInPhases(first, node.inputs[1]!));
    }
    if (first && node.op === 'ConvTranspose' && slides(node)) {
      return [inputGradOfPhases(node as Node<'ConvTranspose'>, first)];
    }
    if (second && node.op === 'ConvWeightGrad' && slides(node)) {
      return [weightGradOfPhases(node as Node<'ConvWeightGrad'>, second)];
    }
    if (first && reductionOf(node)?.axes.join() === '0,2,3') {
      return [reshape(reduced(node, first), node.outputs[0]!.shape as readonly number[])];
    }
    if (!traits[node.op].elementwise || inputs.every((p) => p === null)) return null;
    const operands = node.inputs.map((x, i) => inputs[i] ?? (x && isPerChannel(x) ? x : null));
    if (operands.includes(null)) return null;
    const attrs = node.attrs as Ops[OpType]['attrs'];
    return standsFor(apply(node.op, operands as Ops[OpType]['inputs'], attrs)[0]!);
  });
}

/** Convolutions of stride 1 and a few channels, whose kernels are trained, from which operations element by element lead to a max-pool of 2x2. */
function convolutionsBeforePools(graph: Graph): ReadonlySet<AnyNode> {
  const readers = readersOf(graph);
  const nodes = topologicalOrder(Object.values(graph.outputs));
  const leads = new Set<Value>();
  for (const node of nodes.toReversed()) {
    const isBefore = (readers.get(node.outputs[0]!) ?? []).some(
      (reader) =>
        (reader?.op === 'MaxPool' && isOfPairs(reader as Node<'MaxPool'>)) ||
        (reader && traits[reader.op].elementwise && leads.has(reader.outputs[0]!)),
    );
    if (isBefore) leads.add(node.outputs[0]!);
  }
  return new Set(
    nodes.filter(
      (node) =>
        node.op === 'Conv' &&
        slides(node) &&
        leads.has(node.outputs[0]!) &&
        hasFewChannels(node.inputs[0]!) &&
        isTrained(node.inputs[1]!) &&
        spatial('Conv', node.outputs[0]!).every((size) => size % 2 === 0),
    ),
  );
}

/** As few as ONNX Runtime's own convolutions are good at. */
export const hasFewChannels = (x: Value): boolean => channels(x) < 8;

/** Whether a window moves by one pixel over two axes, with all channels under it. */
function slides({ op, inputs, attrs }: AnyNode): boolean {
  const window = attrs as Window;
  const kernel = window.kernel_shape ?? (inputs[1]!.shape.slice(2) as readonly number[]);
  const { strides, dilations } = geometry(op, kernel, window);
  return kernel.length === 2 && (window.group ?? 1) === 1 && [...strides, ...dilations].every((n) => n === 1);
}

const isOfPairs = (node: Node<'MaxPool' | 'MaxPoolGrad'>): boolean =>
  node.attrs.kernel_shape?.every((k) => k === 2) === true && tiles(node);

/** A number, or one a channel, which stays as it is: [C,1,1] or [1,C,1,1]. */
const isPerChannel = ({ shape }: Value): boolean =>
  shape.length === 0 ||
  (shape.length >= 3 && shape.at(-1) === 1 && shape.at(-2) === 1 && (shape.length === 3 || shape[0] === 1));

/** [N,4,C,h,w] -> [N,C,2h,2w] */
function unphased(p: Value): Value {
  const [, , c, h, w] = p.shape as readonly [unknown, number, number, number, number];
  const apart = transpose(reshape(p, [-1, 2, 2, c, h, w]), [0, 3, 4, 1, 5, 2]);
  return reshape(apart, [-1, c, 2 * h, 2 * w]);
}

/** The offsets of the four phases in a kernel that has one row and one column more. */
const corners = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

/** A kernel [M,C,kh,kw] at each of the corners: [4M,C,kh+1,kw+1]. */
const atCorners = (kernel: Value): Value =>
  concat(corners.map(([i, j]) => pad(kernel, [0, 0, i, j, 0, 0, 1 - i, 1 - j])), 0); // prettier-ignore

const stride2 = { strides: [2, 2] };

function convInPhases({ inputs: [x, w, b], attrs, outputs: [y] }: Node<'Conv'>): Value {
  const [, c, h, wide] = y!.shape as readonly [unknown, number, number, number];
  const p = conv(x, atCorners(w), b ? concat([b, b, b, b], 0) : null, {
    pads: attrs.pads ?? [0, 0, 0, 0],
    ...stride2,
  });
  return reshape(p, [-1, 4, c, h / 2, wide / 2]);
}

/** Phases as channels: [N,4,C,h,w] -> [N,4C,h,w]. */
const asChannels = (p: Value): Value =>
  reshape(p, [-1, 4 * (p.shape[2] as number), ...(p.shape.slice(3) as readonly number[])]);

function inputGradOfPhases({ inputs: [, w], attrs }: Node<'ConvTranspose'>, dp: Value): Value {
  return convTranspose(asChannels(dp), atCorners(w), null, { pads: attrs.pads ?? [0, 0, 0, 0], ...stride2 });
}

function weightGradOfPhases({ inputs: [x], attrs }: Node<'ConvWeightGrad'>, dp: Value): Value {
  const [kh, kw] = attrs.kernel_shape as readonly [number, number];
  const m = dp.shape[2] as number;
  const all = convWeightGrad(x, asChannels(dp), { ...attrs, ...stride2, kernel_shape: [kh + 1, kw + 1] });
  return corners
    .map(([i, j], phase) => slice(all, [phase * m, i, j], [(phase + 1) * m, i + kh, j + kw], [0, 2, 3]))
    .reduce((sum, part) => add(sum, part));
}

const partsOf = (p: Value): readonly Value[] =>
  corners.map((_, phase) => slice(p, [phase], [phase + 1], [1]));

const largest = (p: Value): Value => partsOf(p).reduce((a, b) => max(a, b));

function poolGradInPhases(p: Value, dy: Value): Value {
  const [, , c, h, w] = p.shape as readonly number[];
  return concat(toFirstMaximum(partsOf(p), largest(p), reshape(dy, [-1, 1, c!, h!, w!])), 1);
}

function reduced(node: AnyNode, p: Value): Value {
  const axes = [0, 1, 3, 4];
  return node.op === 'ReduceSum'
    ? reduceSum(p, { axes })
    : apply(node.op as 'ReduceMean', [p], { axes, keepdims: 0 })[0]!;
}
