import { constant, constantNumbers, ints, tensorOf, type Tensor, type Value } from '../../builder/ir.ts';
import {
  add,
  and,
  cast,
  concat,
  div,
  expand,
  greater,
  less,
  matmul,
  mul,
  softmax,
  sub,
  tanh,
  transpose,
  unsqueeze,
  where,
} from '../../builder/ops.ts';
import { knownShape } from '../../builder/fold-constants.ts';
import { sizeOf, type Dim } from '../../builder/shape.ts';
import type { Family, Foreign } from '../foreign.ts';
import { swapped } from './arithmetic.ts';
import { reshapeAs } from './movement.ts';

/** [batch,length,heads*size] as [batch,heads,length,size]; a value of rank 4 is that already. */
function inHeads(x: Value, heads: number | undefined): Value {
  if (x.shape.length === 4) return x;
  if (!heads) throw new Error('does not say how many heads there are');
  const [batch, length, width] = x.shape as [Dim, Dim, number];
  return transpose(reshapeAs(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** Heads of keys or values, each for as many heads of queries in a row. */
function forHeads(x: Value, heads: Dim): Value {
  const [batch, own, length, size] = x.shape as readonly [Dim, Dim, Dim, Dim];
  if (own === heads) return x;
  const times = Number(heads) / Number(own);
  if (!Number.isInteger(times)) throw new Error(`${own} heads of keys do not serve ${heads} of queries`);
  return reshapeAs(expand(unsqueeze(x, [2]), ints([1, 1, times, 1, 1])), [batch, heads, length, size]);
}

/** What the scores may see of the keys, and what is added to them. */
interface Masks {
  readonly sees: readonly Value[];
  readonly bias: Value | null;
}

/**
 * softmax(q k^T * scale + mask) v. A query that sees no key gets zeros. The second and third output are the keys and values with
 * those of the past before them; the fourth is the scores as `qk_matmul_output_mode` says (ONNX Attention).
 */
function attention(node: Foreign): readonly (Value | null)[] {
  const { x, at, maybe, int, float, outputs } = node;
  int('softmax_precision');
  const [pastKeys, pastValues, lengths] = [maybe(4), maybe(5), maybe(6)];
  if (!pastKeys !== !pastValues) throw new Error('past keys and past values must come together');
  if (pastKeys && lengths) throw new Error('lengths of keys and past keys must not come together');
  const queries = int('q_num_heads');
  const keys = int('kv_num_heads', queries ?? 0);
  const q = inHeads(x, queries);
  const heads = q.shape[1]!;
  const after = (past: Value | null, y: Value): Value => (past ? concat([past, y], 2) : y);
  const [allKeys, allValues] = [
    after(pastKeys, inHeads(at(1), keys)),
    after(pastValues, inHeads(at(2), keys)),
  ];
  const [k, v] = [forHeads(allKeys, heads), forHeads(allValues, heads)];
  const raw = mul(matmul(q, swapped(k)), float('scale', 1 / Math.sqrt(q.shape[3] as number)));
  const cap = float('softcap', 0);
  const capped = cap ? mul(tanh(div(raw, cap)), cap) : raw;
  const masks = masksOf(node, capped, pastKeys ? pastKeys.shape[2]! : 0, lengths);
  const biased = masks.bias ? add(capped, cast(masks.bias, x.dtype)) : capped;
  const weights = softmaxOf(biased, masks.sees);
  const product = matmul(weights, v);
  const y =
    x.shape.length === 4
      ? product
      : reshapeAs(transpose(product, [0, 2, 1, 3]), [
          x.shape[0]!,
          x.shape[1]!,
          sizeOf([heads, product.shape[3]!]),
        ]);
  const shown = [
    () => raw,
    () => capped,
    () => (masks.sees.length > 0 ? where(masks.sees.reduce(and), biased, -Infinity) : biased),
    () => weights,
  ][int('qk_matmul_output_mode', 0)];
  if (outputs[3] && !shown) throw new Error('qk_matmul_output_mode must be 0 to 3');
  return [y, allKeys, allValues, outputs[3] ? shown!() : null];
}

/**
 * What hides keys: the mask, bool or added; causality and windows, counted from the end of the past; the lengths of the keys [batch].
 */
function masksOf({ maybe, int, x }: Foreign, scores: Value, past: Dim, lengths: Value | null): Masks {
  const sees: Value[] = [];
  let bias: Value | null = null;
  const mask = maybe(3);
  if (mask) {
    const missing = Number(scores.shape.at(-1)) - Number(mask.shape.at(-1));
    const padded =
      missing > 0 ? concat([mask, constant(hidden(mask, missing))], mask.shape.length - 1) : mask;
    if (mask.dtype === 'bool') sees.push(padded);
    else {
      bias = padded;
      if (!isFinite(padded)) sees.push(greater(padded, -Infinity));
    }
  }
  const isCausal = int('is_causal', 0) === 1;
  const left = int('left_window_size', -1);
  const right = isCausal ? 0 : int('right_window_size', -1);
  int('right_window_size');
  if (left < 0 && right < 0 && !lengths) return { sees, bias };
  const [rows, columns] = knownShape('Attention', { ...scores, shape: scores.shape.slice(-2) }) as [
    number,
    number,
  ];
  const numbers = (shape: readonly number[], of: (i: number) => number): Value =>
    constant(
      tensorOf(
        x.dtype,
        shape,
        Array.from({ length: shape.reduce((m, n) => m * n) }, (_, i) => of(i)),
      ),
    );
  const own = lengths && unsqueeze(cast(lengths, x.dtype), [1, 2, 3]); // [batch,1,1,1]
  // how far a key lies behind its query
  const behind = add(
    numbers([rows, columns], (i) => Math.floor(i / columns) - (i % columns)),
    own ? sub(own, rows) : Number(past),
  );
  if (left >= 0) sees.push(less(behind, left + 0.5));
  if (right >= 0) sees.push(greater(behind, -right - 0.5));
  if (own)
    sees.push(
      less(
        numbers([columns], (i) => i),
        own,
      ),
    );
  return { sees, bias };
}

/** The end that a short mask lacks. */
function hidden(mask: Value, length: number): Tensor {
  const shape = [...knownShape('Attention', { ...mask, shape: mask.shape.slice(0, -1) }), length];
  return tensorOf(
    mask.dtype,
    shape,
    new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(mask.dtype === 'bool' ? 0 : -Infinity),
  );
}

/** Whether a mask is known and hides nothing. */
const isFinite = (mask: Value): boolean => constantNumbers(mask)?.every(Number.isFinite) ?? false;

/** A softmax over what is seen. */
function softmaxOf(scores: Value, sees: readonly Value[]): Value {
  if (sees.length === 0) return softmax(scores);
  const seen = sees.reduce(and);
  return where(seen, softmax(where(seen, scores, -3.4e38)), 0);
}

export const attentions: Family = { Attention: { 23: attention } };
