import { constant, tensorOf, type Value } from '../../builder/ir.ts';
import { add, cast, matmul, mul, softmax, transpose, unsqueeze, where } from '../../builder/ops.ts';
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

/** softmax(q k^T * scale + mask) v */
function attention({ x, at, maybe, int, float, given, outputs }: Foreign): Value {
  if (given.slice(4).some(Boolean) || outputs.slice(1).some(Boolean)) {
    throw new Error('a cache of keys and values is not supported');
  }
  if (float('softcap', 0)) throw new Error('attribute softcap is not supported');
  int('softmax_precision');
  int('qk_matmul_output_mode');
  const heads = int('q_num_heads');
  const keyHeads = int('kv_num_heads', heads ?? 0);
  const [q, k, v] = [inHeads(x, heads), inHeads(at(1), keyHeads), inHeads(at(2), keyHeads)];
  if (q.shape[1] !== k.shape[1]) throw new Error('fewer heads of keys than of queries are not supported');
  const size = q.shape[3] as number;
  const scores = mul(matmul(q, swapped(k)), float('scale', 1 / Math.sqrt(size)));
  const mask = maybe(3);
  const masked = mask
    ? add(scores, mask.dtype === 'bool' ? where(mask, 0, -Infinity) : cast(mask, x.dtype))
    : scores;
  const y = matmul(softmax(int('is_causal', 0) ? causal(masked) : masked), v);
  if (x.shape.length === 4) return y;
  return reshapeAs(transpose(y, [0, 2, 1, 3]), [
    x.shape[0]!,
    x.shape[1]!,
    sizeOf(y.shape.slice(1).toSpliced(1, 1)),
  ]);
}

/** Without what lies behind each position. */
function causal(scores: Value): Value {
  const [rows, columns] = knownShape('Attention', { ...scores, shape: scores.shape.slice(-2) }) as [
    number,
    number,
  ];
  const sees = Array.from({ length: rows * columns }, (_, i) =>
    Number(i % columns <= Math.floor(i / columns)),
  );
  return where(unsqueeze(constant(tensorOf('bool', [rows, columns], sees)), [0]), scores, -Infinity);
}

export const attentions: Family = {
  Attention: { 23: attention },
};
