import { decodeModel, encodeModel, type Decoded } from '../../src/onnx/proto.ts';
import type { Random } from '../../src/runtime/random.ts';
import { pick } from './run.ts';

/** Bytes flipped, cut short or written over. */
export function corrupted(bytes: Uint8Array, random: Random): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = random.below(8); i >= 0; i--) out[random.below(out.length)] = random.below(256);
  return random.below(3) === 0 ? out.subarray(0, random.below(out.length)) : out;
}

const numbers = [0, 1, -1, 2, 7, 4096, 2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 62];

/** A message of which one part somewhere inside is another. */
function altered(value: unknown, random: Random, others: readonly string[]): unknown {
  if (typeof value === 'bigint') return BigInt(pick(random, numbers));
  if (typeof value === 'number') return pick(random, numbers) | 0;
  if (typeof value === 'string') return pick(random, others);
  if (value instanceof Uint8Array) return value.subarray(0, random.below(value.length + 1));
  if (Array.isArray(value)) {
    const at = random.below(Math.max(1, value.length));
    const how = random.below(6);
    if (how === 0) return value.toSpliced(at, 1);
    if (how === 1 && value.length > 0) return [...value, value[at]];
    if (how === 2) return value.toReversed();
    return value.length === 0 ? value : value.with(at, altered(value[at], random, others));
  }
  if (typeof value !== 'object' || value === null) return value;
  const filled = Object.entries(value).filter(([, part]) => part !== undefined && part !== '' && part !== 0n);
  if (filled.length === 0) return value;
  const [key, part] = pick(random, filled) as [string, unknown];
  return { ...value, [key]: altered(part, random, others) };
}

const fields = ['', 'f', 'i', 's', 't', 'g', 'floats', 'ints', 'strings'] as const;

/** An attribute without the fields that its type does not use: reading fills them in, and a checker complains of them. */
function asWritten(attribute: Decoded<'Attribute'>): Decoded<'Attribute'> {
  const field = fields[attribute.type] || 'name';
  const { name, type, refAttrName } = attribute;
  const written = { name, type, [field]: attribute[field], ...(refAttrName && { refAttrName }) };
  return written as unknown as Decoded<'Attribute'>;
}

/** The model with a few numbers, names or parts of its graph changed, doubled, left out or turned around. */
export function rewired(bytes: Uint8Array, random: Random): Uint8Array {
  const model = decodeModel(bytes);
  const node = model.graph!.node.map((n) => ({ ...n, attribute: n.attribute.map(asWritten) }));
  const names = node.flatMap((n) => [...n.input, ...n.output, n.opType, 'Expand', 'Range', '']);
  let graph: unknown = { ...model.graph, node };
  for (let i = random.below(3); i >= 0; i--) graph = altered(graph, random, names);
  return encodeModel({ ...model, graph: graph as Decoded<'Graph'> });
}
