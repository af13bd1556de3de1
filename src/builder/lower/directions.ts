import type { AnyNode, Node, Value } from '../ir.ts';

/** One form of a convolution, of a transposed one and of a weight gradient: the three directions of the same window. */
export interface Directions {
  readonly Conv: (node: Node<'Conv'>) => Value;
  readonly ConvTranspose: (node: Node<'ConvTranspose'>) => Value;
  readonly ConvWeightGrad: (node: Node<'ConvWeightGrad'>) => Value;
}

/** A node in the form of its direction. Throws where it is none of the three. */
export const inDirection =
  (forms: Directions) =>
  (node: AnyNode): Value => {
    const { op } = node;
    if (op === 'Conv' || op === 'ConvTranspose' || op === 'ConvWeightGrad') return forms[op](node as never);
    throw new Error(`${op} is no direction of a convolution`);
  };
