import { traits } from '../attributes.ts';
import { constantNumbers, ints, type AnyNode, type Graph, type Value, type OpType, type Ops } from '../ir.ts';
import { apply, reshape, transpose, unsqueeze } from '../ops.ts';
import { normalizeAxes, reshapeTarget, sizeOf } from '../shape.ts';
import { rewrite } from '../rewrite.ts';

/**
 * Moves transpositions towards the outputs, through operators that work element by element or reduce, until they meet
 * their inverse and vanish. What a lowering wrote as channels-last there and back again stays channels-last between.
 */
export const sinkTransposes = (graph: Graph): Graph =>
  rewrite(graph, (node) => {
    if (node.op === 'Transpose') return composed(node);
    if (node.op === 'Reshape') return reshapedOnce(node);
    if (traits[node.op].elementwise) return throughElementwise(node);
    if (node.op.startsWith('Reduce')) return throughReduction(node);
    return null;
  });

const permOf = (value: Value): readonly number[] | null =>
  value.source.kind === 'node' && value.source.op === 'Transpose'
    ? ((value.source.attrs as Ops['Transpose']['attrs']).perm ??
      value.shape.map((_, i) => value.shape.length - 1 - i))
    : null;

const operandOf = (value: Value): Value => (value.source as AnyNode).inputs[0]!;

const isIdentity = (perm: readonly number[]): boolean => perm.every((axis, i) => axis === i);

/** Two transpositions are one; what is left may be nothing, or a reshape. */
function composed(node: AnyNode): readonly Value[] | null {
  const outer = permOf(node.outputs[0]!)!;
  const inner = permOf(node.inputs[0]!);
  const perm = inner ? outer.map((axis) => inner[axis]!) : outer;
  const y = moved(inner ? operandOf(node.inputs[0]!) : node.inputs[0]!, perm);
  return y.source.kind === 'node' && y.source.op === 'Transpose' && !inner ? null : [y];
}

/** The value with its axes permuted; a reshape when the axes longer than 1 keep their order. */
function moved(x: Value, perm: readonly number[]): Value {
  if (isIdentity(perm)) return x;
  const long = perm.filter((axis) => x.shape[axis] !== 1);
  const keepsOrder = long.every((axis, i) => i === 0 || axis > long[i - 1]!);
  const target = reshapeTarget(perm.map((axis) => x.shape[axis]!));
  return keepsOrder && target ? reshape(x, target) : transpose(x, perm);
}

/** A reshape of a reshape is one reshape. */
function reshapedOnce(node: AnyNode): readonly Value[] | null {
  const [x] = node.inputs;
  const [y] = node.outputs;
  if (x?.source.kind !== 'node' || x.source.op !== 'Reshape') return null;
  const target = reshapeTarget(y!.shape);
  return target && [reshape(operandOf(x), target)];
}

function throughElementwise(node: AnyNode): readonly Value[] | null {
  const [y] = node.outputs;
  const rank = y!.shape.length;
  const perms = node.inputs.map((x) => (x && x.shape.length === rank ? permOf(x) : null));
  const perm = perms.find((p) => p !== null && p !== undefined);
  if (!perm) return null;
  const inputs: (Value | null | undefined)[] = [];
  for (const [i, x] of node.inputs.entries()) {
    if (!x || x.shape.length === 0) inputs.push(x);
    else if (perms[i]) inputs.push(before(x, perm));
    else {
      const small = isSmall(x, y!) ? permuted(x, perm, rank) : null;
      if (!small) return null;
      inputs.push(small);
    }
  }
  const [inside] = apply(node.op, inputs as Ops[OpType]['inputs'], node.attrs as Ops[OpType]['attrs']);
  return [transpose(inside!, perm)];
}

/**
 * A transposed value as it stands before the transposition `perm`. Where it was transposed in another way, that is one transposition
 * instead of one for each operand.
 */
function before(x: Value, perm: readonly number[]): Value {
  const own = permOf(x)!;
  return moved(
    operandOf(x),
    perm.map((_, axis) => own[perm.indexOf(axis)]!),
  );
}

/** A parameter a channel and the like: moving it costs nothing beside the value it is broadcast to. */
function isSmall(x: Value, y: Value): boolean {
  return x.shape.filter((dim) => dim !== 1).length <= 1 && sizeOf(x.shape) !== sizeOf(y.shape);
}

/** A small value, broadcast to `rank`, as it stands before the transposition `perm`. */
function permuted(x: Value, perm: readonly number[], rank: number): Value | null {
  const lead = Array.from({ length: rank - x.shape.length }, (_, i) => i);
  const wide = unsqueeze(x, lead);
  const before = perm.map((_, axis) => wide.shape[perm.indexOf(axis)]!);
  return before.every((dim) => typeof dim === 'number') ? reshape(x, before as number[]) : null;
}

function throughReduction(node: AnyNode): readonly Value[] | null {
  const x = node.inputs[0]!;
  const perm = permOf(x);
  if (!perm) return null;
  const rank = perm.length;
  const fromInput = node.inputs[1];
  const attrs = node.attrs as { axes?: readonly number[]; keepdims?: number; noop_with_empty_axes?: number };
  const listed = fromInput ? constantNumbers(fromInput)! : attrs.axes;
  if (!listed?.length && attrs.noop_with_empty_axes) return [x];
  const axes = listed?.length ? normalizeAxes(node.op, listed, rank) : perm.map((_, i) => i);
  const inner = axes.map((axis) => perm[axis]!).sort((a, b) => a - b);
  const keepdims = attrs.keepdims ?? 1;
  const reduced =
    node.op === 'ReduceSum'
      ? apply('ReduceSum', [operandOf(x), ints(inner)], { keepdims })
      : apply(node.op as 'ReduceMean', [operandOf(x)], { axes: inner, keepdims });
  if (keepdims) return [moved(reduced[0]!, perm)];
  const kept = perm.filter((axis) => !inner.includes(axis));
  const order = kept.map((axis) => kept.filter((other) => other < axis).length);
  return [moved(reduced[0]!, order)];
}
