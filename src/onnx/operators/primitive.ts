import { attributeKind, traits } from '../../builder/attributes.ts';
import type { Ops, OpType } from '../../builder/ir.ts';
import { apply } from '../../builder/ops.ts';
import type { Foreign, Importer } from '../foreign.ts';

/** Imports an operator that the builder has in the same form: all its attributes, and at least `required` inputs. */
export const primitive =
  (op: OpType, required = 1): Importer =>
  (node) => {
    for (let i = 0; i < required; i++) node.at(i);
    const names = node.attributes.filter((name) => Object.hasOwn(traits[op].attributes, name));
    const attrs = Object.fromEntries(
      names.flatMap((name) => {
        const value = attribute(node, op, name);
        return value === undefined ? [] : [[name, value]];
      }),
    );
    return apply(op, node.given as unknown as Ops[OpType]['inputs'], attrs as Ops[OpType]['attrs']);
  };

function attribute(node: Foreign, op: OpType, name: string): unknown {
  const kind = attributeKind(op, name);
  switch (kind) {
    case 'dtype':
      return node.dtype(name);
    case 'int':
      return node.int(name);
    case 'float':
      return node.float(name);
    case 'ints':
      return node.ints(name);
    case 'string':
      return node.text(name);
    case 'graph': // left unread, and so rejected
    case undefined:
      return undefined;
    default:
      return kind satisfies never;
  }
}
