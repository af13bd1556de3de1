import { decodeModel } from './decode.ts';
import { needed } from './nodes.ts';
import { encodeModel } from './proto.ts';

/** A value between the input and the output of a model, and the node that makes it. */
export interface Intermediate {
  readonly name: string;
  readonly node: string;
  readonly operator: string;
}

/** The first output of every node that an output of a model depends on, in the order of computation. */
export function intermediates(bytes: Uint8Array, output: string): readonly Intermediate[] {
  const nodes = decodeModel(bytes).graph?.node ?? [];
  return needed(nodes, [output]).flatMap((node) => {
    const [name] = node.output;
    return name ? [{ name, node: node.name || name, operator: node.opType }] : [];
  });
}

/**
 * A model that also gives values from its inside. Protobuf merges a message that a file holds twice, so that what is added
 * is written behind what is there.
 */
export function withOutputs(bytes: Uint8Array, names: readonly string[]): Uint8Array {
  const more = encodeModel({ graph: { output: names.map((name) => ({ name })) } });
  const all = new Uint8Array(bytes.length + more.length);
  all.set(bytes);
  all.set(more, bytes.length);
  return all;
}
