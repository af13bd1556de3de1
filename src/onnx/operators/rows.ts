import { knownNumbers } from '../../builder/evaluate.ts';
import { constant, tensorOf, type Ops, type Value } from '../../builder/ir.ts';
import { add, apply, mul, sub } from '../../builder/ops.ts';

/** Numbers of which each row of the first axis is the row before plus `step`. */
interface Steady {
  /** The first row, with an axis of 1 for the rows. */
  readonly first: Value;
  /** 0 where all rows are this one. */
  readonly step: number;
}

/** Places in the rows of an array that was made flat: the same in every row. */
export interface SameInEachRow {
  /** How many numbers a row has. */
  readonly length: number;
  /** Places in a row, as many as the indices have after their first axis. */
  readonly places: readonly number[];
}

/**
 * What indices name in a flat array whose rows are an open number, such as images: places in each row, the same in all.
 * Null where they are anything else. PyTorch's exporter writes `as_strided` with such indices, computed from the batch.
 */
export function inEachRow(indices: Value): SameInEachRow | null {
  const found = typeof indices.shape[0] === 'string' ? steady(indices) : null;
  const places = found && knownNumbers(found.first);
  if (!places || found.first.shape.length !== indices.shape.length || found.first.shape[0] !== 1) return null;
  const { step: length } = found;
  return places.every((place) => place >= 0 && place < length) ? { length, places } : null;
}

function steady(value: Value): Steady | null {
  const { source } = value;
  if (source.kind === 'constant') return { first: value, step: 0 };
  if (source.kind === 'input') return null;
  const [x, other] = source.inputs;
  switch (source.op) {
    case 'Range':
      return { first: constant(tensorOf(value.dtype, [1], [0])), step: 1 };
    case 'Unsqueeze':
    case 'Identity':
    case 'Cast': {
      const inner = steady(x!);
      if (!inner) return null;
      const inputs = [inner.first, ...source.inputs.slice(1)] as unknown as Ops['Unsqueeze']['inputs'];
      return { ...inner, first: apply(source.op as 'Unsqueeze', inputs, source.attrs as {})[0]! };
    }
    case 'Add':
    case 'Sub':
    case 'Mul': {
      const [a, b] = [steady(x!), steady(other!)];
      return a && b && combined(source.op, a, b);
    }
    default:
      return null;
  }
}

function combined(op: 'Add' | 'Sub' | 'Mul', a: Steady, b: Steady): Steady | null {
  if (op === 'Add') return { first: add(a.first, b.first), step: a.step + b.step };
  if (op === 'Sub') return { first: sub(a.first, b.first), step: a.step - b.step };
  const [rows, factor] = a.step === 0 ? [b, a] : [a, b];
  const [number, ...more] = factor.step === 0 ? (knownNumbers(factor.first) ?? []) : [];
  if (number === undefined || more.length > 0) return null;
  return { first: mul(rows.first, factor.first), step: rows.step * number };
}
