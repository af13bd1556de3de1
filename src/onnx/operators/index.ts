import { traits } from '../../builder/attributes.ts';
import type { OpType } from '../../builder/ir.ts';
import type { Family, Importer } from '../foreign.ts';
import { activation } from './activation.ts';
import { arithmetic } from './arithmetic.ts';
import { attentions } from './attention.ts';
import { constants } from './constants.ts';
import { convolutions } from './convolution.ts';
import { products } from './einsum.ts';
import { indexing } from './indexing.ts';
import { movement } from './movement.ts';
import { normalisation } from './normalisation.ts';
import { pooling } from './pooling.ts';
import { primitive } from './primitive.ts';
import { quantisation } from './quantisation.ts';
import { recurrents } from './recurrent.ts';
import { reductions } from './reduction.ts';
import { resizing } from './resize.ts';
import { sampling } from './sampling.ts';

/**
 * Every operator that files may hold, by name and the opset of each of its forms. An operator that can be composed needs
 * one line here, in its family, and neither a shape rule nor a gradient rule.
 */
export const operators: Family = {
  ...activation,
  ...arithmetic,
  ...attentions,
  ...constants,
  ...convolutions,
  ...indexing,
  ...movement,
  ...normalisation,
  ...pooling,
  ...products,
  ...quantisation,
  ...recurrents,
  ...reductions,
  ...resizing,
  ...sampling,
};

/** An operator of the builder's own as it stands in a file that the builder wrote. */
export const ownImporterOf = (op: string): Importer | null =>
  Object.hasOwn(traits, op) && !traits[op as OpType].private ? primitive(op as OpType, 0) : null;

export const isOperator = (op: string): boolean => Object.hasOwn(operators, op);

/** The newest form of an operator that is not above an opset; null when it came later. */
export function importerOf(op: string, opset: number): Importer | null {
  const versions = operators[op]!;
  const newest = Object.keys(versions)
    .map(Number)
    .filter((version) => version <= opset)
    .reduce((a, b) => Math.max(a, b), 0);
  return versions[newest] ?? null;
}
