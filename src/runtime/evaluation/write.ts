import { join } from 'node:path';
import type { Split } from '../datasets/index.ts';
import { writeAtomic } from '../files.ts';
import { encodeSafetensors, type Tensor } from '../safetensors.ts';
import type { Attacked } from './attacked.ts';
import { Evaluation, type CellEvaluation, type MeasuredCell } from './schema.ts';
import { Tally } from './tally.ts';

/** What `evaluation.json` says, before the masks of its cells are files. */
export interface Unwritten extends Omit<Evaluation, 'schema' | 'cells'> {
  readonly cells: readonly MeasuredCell[];
}

/**
 * Writes the masks of each cell, then `evaluation.json`: where that is, all of it is.
 *
 * @param attacked which examples each classifier has right, in the order of the cells.
 * @returns what was written, and the path of `evaluation.json`.
 */
export async function writeEvaluation(
  run: string,
  split: Split,
  unwritten: Unwritten,
  attacked: readonly Attacked[],
): Promise<{ readonly evaluation: Evaluation; readonly path: string }> {
  const cells: CellEvaluation[] = [];
  for (const [i, cell] of unwritten.cells.entries()) {
    const masks = `${cell.folder}/evaluation.safetensors`;
    await writeAtomic(join(run, masks), encodeMasks(split, attacked[i]!));
    cells.push({ ...cell, masks });
  }
  const evaluation = Evaluation.parse({ schema: 1, ...unwritten, cells });
  const path = join(run, 'evaluation.json');
  await writeAtomic(path, `${JSON.stringify(evaluation, null, 2)}\n`);
  return { evaluation, path };
}

/** As the schema's `masks` describes it. */
function encodeMasks(split: Split, attacked: Attacked): Uint8Array {
  const label: Tensor = { dtype: 'int32', shape: [split.count], data: Int32Array.from(split.labels) };
  const tensors = new Map<string, Tensor>([['label', label]]);
  for (const classifier of ['c1', 'c2'] as const) {
    const tallies = attacked[classifier];
    for (const [name, { right }] of [...tallies, ['worst', Tally.worst([...tallies.values()])] as const]) {
      tensors.set(`${classifier}/${name}`, { dtype: 'bool', shape: [split.count], data: right });
    }
  }
  return encodeSafetensors(tensors, { format: 'sparring-masks-1' });
}
