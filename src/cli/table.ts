import Table from 'cli-table3';

/** How well a classifier does on a set of images. */
export interface Scores {
  /** Fraction of images classified right, 0 to 1. */
  readonly accuracy: number;
  /** Mean cross-entropy in nats, 0 or more. */
  readonly loss: number;
}

/** A classifier on clean images, under uniform noise of the same eps, and under attack. */
export interface AccuracyRow {
  /** The name of the classifier, for example `C1`. */
  readonly name: string;
  readonly clean: Scores;
  readonly noise: Scores;
  readonly attacked: Scores;
}

/**
 * Lays out the scores at the end of a run as text without colours, each cell as accuracy and, in brackets, mean
 * cross-entropy: `98.7 % (0.041)`.
 *
 * @param rows one for each classifier, in the order shown.
 * @returns the lines of the table, joined by line feeds, without one at the end.
 */
export function accuracyTable(rows: readonly AccuracyRow[]): string {
  return textTable(
    ['accuracy (loss)', 'clean', 'noise', 'attacked'],
    rows.map(({ name, clean, noise, attacked }) => [name, cell(clean), cell(noise), cell(attacked)]),
  );
}

/**
 * A table as text without colours: the first column to the left, the others to the right.
 *
 * @param rows each a cell a column, or a text that spans all columns.
 */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[] | { readonly span: string })[],
): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  table.push(
    ...rows.map((row) => ('span' in row ? [{ content: row.span, colSpan: head.length }] : [...row])),
  );
  return table.toString();
}

function cell({ accuracy, loss }: Scores): string {
  return `${(100 * accuracy).toFixed(1)} % (${loss.toFixed(3)})`;
}
