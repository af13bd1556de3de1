import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { hasTransfer } from './config.ts';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import type { CellResult, Result } from './result.ts';

const Count = z.int().nonnegative();

/** How often each class was the answer to images of each class: `confusion[true class][answer]`, square. */
export type Confusion = readonly (readonly number[])[];
const Confusion = z
  .array(z.array(Count))
  .refine((rows) => rows.every((row) => row.length === rows.length), 'must have as many columns as rows');

/** The answers of one classifier to the test images as they are, and to the same images after the attack. */
export interface BeforeAfter {
  readonly clean: Confusion;
  readonly attacked: Confusion;
}
const BeforeAfter = z.object({ clean: Confusion, attacked: Confusion });

/** The answers of both classifiers. */
export interface Confusions {
  readonly c1: BeforeAfter;
  readonly c2: BeforeAfter;
}
export const Confusions = z.object({ c1: BeforeAfter, c2: BeforeAfter });

/**
 * `confusion.json` in the folder of a cell. It is a file of its own because `result.json`, schema 1, allows no further
 * field: a version of Sparring that does not know `confusion.json` still reads the run. Fields that this version does
 * not know are ignored.
 */
const ConfusionFile = z.object({
  schema: z.literal(1),
  /** SHA-256 of the models whose answers these are, as in `result.json`. */
  models: z.object({ c1: z.string(), c2: z.string(), attacker: z.string() }),
  ...Confusions.shape,
});

/** Where a cell keeps its confusion matrices. */
export const confusionPath = (cell: string): string => join(cell, 'confusion.json');

/** Counts answers. One for each classifier and kind of image. */
export class ConfusionCounter {
  #counts: number[][] = [];

  /** @param answer -1 where the classifier gave no number at all; it is not counted. */
  add(label: number, answer: number, classes: number): void {
    if (this.#counts.length === 0) {
      this.#counts = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
    }
    if (answer >= 0) this.#counts[label]![answer]!++;
  }

  get counts(): Confusion {
    return this.#counts;
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** How many images of each class there are. */
export const imagesByClass = (confusion: Confusion): readonly number[] => confusion.map(sum);

/** Accuracy on the images of each class, 0 to 1; null for a class without images. */
export const accuracyByClass = (confusion: Confusion): readonly (number | null)[] =>
  confusion.map((row, label) => {
    const images = sum(row);
    return images === 0 ? null : row[label]! / images;
  });

/** How often each class is the answer, whatever the image shows. */
const answersByClass = (confusion: Confusion): readonly number[] =>
  confusion.map((_, answer) => sum(confusion.map((row) => row[answer]!)));

/** One class that takes most of the answers to attacked images. Fractions are in [0, 1]. */
export interface Collapse {
  readonly answer: number;
  /** The part of the attacked images that get this answer. */
  readonly share: number;
  /** The part of the images of all other classes that the classifier still has right; null where there are none. */
  readonly others: number | null;
}

/**
 * Says whether an attack works by one trick: at least half of the attacked images get the same answer, and at least a
 * quarter more than belong to that class. The accuracy under attack is then little more than the share of that class in
 * the test set.
 *
 * @returns null where no class takes most of the answers.
 */
export function collapseOf(attacked: Confusion): Collapse | null {
  const images = sum(imagesByClass(attacked));
  if (images === 0) return null;
  const answers = answersByClass(attacked);
  const answer = answers.indexOf(Math.max(...answers));
  const share = answers[answer]! / images;
  const own = sum(attacked[answer]!);
  if (share < 0.5 || share - own / images < 0.25) return null;
  const right = sum(attacked.map((row, label) => (label === answer ? 0 : row[label]!)));
  return { answer, share, others: own === images ? null : right / (images - own) };
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/**
 * A collapse as a sentence without a full stop: `97.0 % of the attacked images are read as 8; without the 8s, C1 is
 * right on 2.8 %`.
 */
export function describeCollapse({ answer, share, others }: Collapse, classifier: string): string {
  const most = `${percent(share)} of the attacked images are read as ${answer}`;
  return others === null
    ? `${most} by ${classifier}`
    : `${most}; without the ${answer}s, ${classifier} is right on ${percent(others)}`;
}

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
  const parsed = ConfusionFile.safeParse(parseJson(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InputError(
      `${path}: ${issue!.path.join('.') || 'the file'}: ${issue!.message}; restore the file that the run wrote`,
    );
  }
  const { models: own, c1, c2 } = parsed.data;
  const same = (['c1', 'c2', 'attacker'] as const).every((name) => own[name] === models[name]);
  return same ? { c1, c2 } : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

/** The classifiers that a run measures: with a given classifier and none to transfer to, C2 is C1 once more. */
export const classifiersShown = (
  config: Pick<Result['config'], 'against' | 'transfer'>,
): readonly ('c1' | 'c2')[] => (hasTransfer(config) ? ['c1', 'c2'] : ['c1']);
