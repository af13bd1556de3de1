import { constant, ints, tensorOf, type Value } from '../../builder/ir.ts';
import {
  add,
  and,
  cast,
  div,
  expand,
  matmul,
  mul,
  softmax,
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

/** softmax(q k^T * scale + mask) v; a bool mask says what is seen, and who sees nothing gets zeros. */
function attention({ x, at, maybe, int, float, given, outputs }: Foreign): Value {
  if (given.slice(4).some(Boolean) || outputs.slice(1, 3).some(Boolean)) {
    throw new Error('a cache of keys and values is not supported');
  }
  if (outputs[3]) throw new Error('its scores as an output are not supported');
  int('softmax_precision');
  int('qk_matmul_output_mode');
  const queries = int('q_num_heads');
  const keys = int('kv_num_heads', queries ?? 0);
  const q = inHeads(x, queries);
  const heads = q.shape[1]!;
  const [k, v] = [at(1), at(2)].map((y) => forHeads(inHeads(y, keys), heads)) as [Value, Value];
  const raw = mul(matmul(q, swapped(k)), float('scale', 1 / Math.sqrt(q.shape[3] as number)));
  const cap = float('softcap', 0);
  const scores = cap ? mul(tanh(div(raw, cap)), cap) : raw;
  const mask = maybe(3);
  const added = mask && mask.dtype !== 'bool' ? add(scores, cast(mask, x.dtype)) : scores;
  const sees = [mask?.dtype === 'bool' ? mask : null, int('is_causal', 0) ? causal(scores) : null];
  const y = matmul(
    softmaxOf(
      added,
      sees.filter((seen) => seen !== null),
    ),
    v,
  );
  if (x.shape.length === 4) return y;
  const width = sizeOf([heads, y.shape[3]!]);
  return reshapeAs(transpose(y, [0, 2, 1, 3]), [x.shape[0]!, x.shape[1]!, width]);
}

/** A softmax over what is seen. */
function softmaxOf(scores: Value, sees: readonly Value[]): Value {
  if (sees.length === 0) return softmax(scores);
  const seen = sees.reduce(and);
  return where(seen, softmax(where(seen, scores, -3.4e38)), 0);
}

/** What lies at or before each position. */
function causal(scores: Value): Value {
  const [rows, columns] = knownShape('Attention', { ...scores, shape: scores.shape.slice(-2) }) as [
    number,
    number,
  ];
  const sees = Array.from({ length: rows * columns }, (_, i) =>
    Number(i % columns <= Math.floor(i / columns)),
  );
  return constant(tensorOf('bool', [rows, columns], sees));
}

export const attentions: Family = { Attention: { 23: attention } };
