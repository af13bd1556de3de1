import { readFile } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { Evaluation } from './evaluation.ts';
import { type AttackSettings } from '../audit/schema.ts';

/** What an evaluation is going to hold. */
export interface Planned {
  readonly cells: readonly {
    readonly folder: string;
    readonly models: { readonly c1: string; readonly attacker: string };
  }[];
  readonly images: number;
  readonly attacks: readonly AttackSettings[];
  /** Eps of the curves' points. */
  readonly curve: readonly number[];
  readonly curveImages: number;
  /** Attackers of the matrix; 0 for none. */
  readonly matrixAttackers: number;
}

/**
 * Reads an `evaluation.json`; null where there is none.
 *
 * @throws InputError when it is there and cannot be read as one.
 */
export async function readEvaluation(path: string): Promise<Evaluation | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  if (text === null) return null;
  try {
    return Evaluation.parse(JSON.parse(text));
  } catch (error) {
    throw new InputError(`${path} is no evaluation that this version reads`, { cause: error });
  }
}

/**
 * What an evaluation that is there has and a planned one would not have, such as `10000 images, not 10`; null when the
 * planned one holds at least as much. Settings that are other without being more or less, such as a seed, do not count.
 */
export function whatIsFuller(before: Evaluation, planned: Planned): string | null {
  const lost = before.cells.find(
    ({ folder, models }) =>
      !planned.cells.some(
        (cell) =>
          cell.folder === folder && cell.models.c1 === models.c1 && cell.models.attacker === models.attacker,
      ),
  );
  if (lost) return `${lost.folder} with other models`;
  if (before.data.images > planned.images) return `${before.data.images} images, not ${planned.images}`;
  for (const had of before.attacks) {
    const has = planned.attacks.find(({ attack }) => attack === had.attack);
    if (!has) return `the attack ${had.attack}`;
    if (had.attack !== 'pgd' || has.attack !== 'pgd') continue;
    if (had.steps > has.steps) return `${had.steps} steps of PGD, not ${has.steps}`;
    if (had.restarts > has.restarts) return `${had.restarts} restarts of PGD, not ${has.restarts}`;
  }
  for (const { points, images } of before.curves) {
    const eps = points.find((point) => !planned.curve.includes(point.eps));
    if (eps) return `accuracy at eps ${eps.eps} in its curves`;
    const some = Math.min(planned.curveImages, planned.images);
    if (images > some) return `curves on ${images} images, not ${some}`;
  }
  if ((before.matrix?.attackers.length ?? 0) > planned.matrixAttackers) return 'a larger cross-attack matrix';
  return null;
}
