import { rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StoredSource } from '../data/source.ts';
import { InputError } from '../errors.ts';
import { describeFsError, makeFolder, writeAtomic } from '../files.ts';
import { encodeSafetensors, type Tensor } from '../safetensors.ts';
import { talliesOf } from './attacked.ts';
import type { Attacked } from './evaluate.ts';
import { Evaluation, type CellEvaluation, type MeasuredCell } from './evaluation.ts';
import { Tally } from '../audit/tally.ts';

/** What `evaluation.json` says, before the masks of its cells are files. */
export interface Unwritten extends Omit<Evaluation, 'schema' | 'cells'> {
  readonly cells: readonly MeasuredCell[];
}

const masksOf = ({ folder }: Pick<MeasuredCell, 'folder'>): string => `${folder}/evaluation.safetensors`;

/**
 * Finds out, before hours of work, whether an evaluation can be written: that nothing stands in the place of its files,
 * and that each folder takes a new file. Makes the folders.
 *
 * @param bytes of what will be written, for a disk that is nearly full.
 * @throws InputError in one line, with the way out.
 */
export async function probeWriting(
  folder: string,
  cells: readonly Pick<MeasuredCell, 'folder'>[],
  bytes: number,
): Promise<void> {
  const names = ['evaluation.json', 'report.html', ...cells.map((cell) => masksOf(cell))];
  const files = names.map((name) => join(folder, name));
  for (const file of files) {
    const found = await stat(file).catch(() => null);
    if (found && !found.isFile()) {
      throw new InputError(
        `cannot write ${file}: it is a folder, not a file; remove it or choose another folder (--out DIR)`,
      );
    }
  }
  for (const [i, path] of [...new Set(files.map((file) => dirname(file)))].entries()) {
    const probe = join(path, `.probe-${process.pid}`);
    try {
      await makeFolder(path);
      await writeFile(probe, new Uint8Array(i === 0 ? bytes : 1));
    } catch (error) {
      throw new InputError(`${describeFsError(error, `cannot write into ${path}`)} (--out DIR)`, {
        cause: error,
      });
    } finally {
      await rm(probe, { force: true }).catch(() => {});
    }
  }
}

/**
 * Writes the masks of each cell, then `evaluation.json`: where that is, all of it is.
 *
 * @param attacked which examples each classifier has right, in the order of the cells.
 * @returns the path of `evaluation.json`.
 */
export async function writeEvaluation(
  folder: string,
  split: StoredSource,
  evaluation: Evaluation,
  attacked: readonly Attacked[],
): Promise<string> {
  for (const [i, { masks }] of evaluation.cells.entries()) {
    await writeAtomic(join(folder, masks), encodeMasks(split, attacked[i]!));
  }
  const path = join(folder, 'evaluation.json');
  await writeAtomic(path, `${JSON.stringify(evaluation, null, 2)}\n`);
  return path;
}

/** `evaluation.json` with the places of the masks. */
export const evaluationFrom = ({ cells, ...rest }: Unwritten): Evaluation =>
  Evaluation.parse({
    schema: 1,
    ...rest,
    cells: cells.map((cell): CellEvaluation => ({ ...cell, masks: masksOf(cell) })),
  });

/** As the schema's `masks` describes it. */
function encodeMasks(split: StoredSource, attacked: Attacked): Uint8Array {
  const label: Tensor = { dtype: 'int32', shape: [split.count], data: split.stored.labels };
  const tensors = new Map<string, Tensor>([['label', label]]);
  for (const classifier of ['c1', 'c2'] as const) {
    const tallies = talliesOf(attacked, classifier);
    if (!tallies) continue;
    for (const [name, { right }] of [...tallies, ['worst', Tally.worst([...tallies.values()])] as const]) {
      tensors.set(`${classifier}/${name}`, { dtype: 'bool', shape: [split.count], data: right });
    }
  }
  return encodeSafetensors(tensors, { format: 'sparring-masks-1' });
}
