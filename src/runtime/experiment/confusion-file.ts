import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { accuracyByClass, collapseOf, describeCollapse, type BeforeAfter } from '../audit/confusion.ts';
import { readDocument } from '../document.ts';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { classifiersShown } from './config.ts';
import { Confusions } from './records.ts';
import type { CellResult, Result } from './result.ts';

/**
 * `confusion.json` in the folder of a cell. It is a file of its own because older versions of Sparring allow no
 * further field in `result.json`, and still read the run this way.
 */
const ConfusionFile = z.object({
  schema: z.literal(1),
  /** SHA-256 of the models whose answers these are, as in `result.json`. */
  models: z.object({ c1: z.string(), c2: z.string(), attacker: z.string() }),
  ...Confusions.shape,
});

/** Where a cell keeps its confusion matrices. */
export const confusionPath = (cell: string): string => join(cell, 'confusion.json');

/** `confusion.json` as text: a row of a matrix a line. Holds the accuracy of each class too, for people who read it. */
export function confusionJson(models: CellResult['models'], { c1, c2 }: Confusions): string {
  const classifier = ({ clean, attacked }: BeforeAfter) => ({
    accuracyByClass: { clean: accuracyByClass(clean), attacked: accuracyByClass(attacked) },
    clean,
    attacked,
  });
  const value = { schema: 1, models, c1: classifier(c1), c2: classifier(c2) };
  const text = JSON.stringify(value, null, 2).replace(/\[[\d.,\s]*(?:null[\d.,\s]*)*\]/g, (row) =>
    row.replace(/\s+/g, '').replaceAll(',', ', '),
  );
  return `${text}\n`;
}

/**
 * Reads the confusion matrices of a cell.
 *
 * @param source the path of the `result.json` that names the cell.
 * @returns null where there are none: the cell was trained by an older version, or the file is about other models.
 * @throws InputError when the file is damaged.
 */
export async function readConfusions(
  source: string,
  { folder, models }: Pick<CellResult, 'folder' | 'models'>,
): Promise<Confusions | null> {
  const path = confusionPath(join(dirname(source), folder));
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw new InputError(describeFsError(error, `cannot read ${path}`));
  });
  if (text === null) return null;
  const { models: own, c1, c2 } = readDocument(path, text, ConfusionFile);
  const same = (['c1', 'c2', 'attacker'] as const).every((name) => own[name] === models[name]);
  return same ? { c1, c2 } : null;
}

/**
 * A line for each classifier of a run that gives one answer to most of the attacked images; none where no class takes
 * most of them.
 *
 * @param source the path of `result.json`.
 */
export async function collapseLines(source: string, { runs, config }: Result): Promise<readonly string[]> {
  const lines: string[] = [];
  for (const run of runs) {
    const confusions = await readConfusions(source, run);
    if (!confusions) continue;
    for (const name of classifiersShown(config)) {
      const collapse = collapseOf(confusions[name].attacked);
      if (!collapse) continue;
      const line = describeCollapse(collapse, name.toUpperCase());
      lines.push(runs.length === 1 ? line : `${run.folder}: ${line}`);
    }
  }
  return lines;
}
