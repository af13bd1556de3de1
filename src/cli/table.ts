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
  /** The name of the classifier. */
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
 * @param columns see {@link textTable}.
 * @returns the lines of the table, joined by line feeds, without one at the end.
 */
export function accuracyTable(rows: readonly AccuracyRow[], columns?: number): string {
  return textTable(
    ['accuracy (loss)', 'clean', 'noise', 'attacked'],
    rows.map(({ name, clean, noise, attacked }) => [name, cell(clean), cell(noise), cell(attacked)]),
    columns,
  );
}

/** The columns of the terminal that standard output leads to; those of the usual one where it leads to no terminal. */
export const columnsOf = (stream: NodeJS.WriteStream): number => stream.columns || usualColumns;

const usualColumns = 80;

/** Words in lines of at most `width` columns. */
export const wrapped = (words: readonly string[], width: number): readonly string[] =>
  words.reduce<readonly string[]>((lines, word) => {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    return lines.length === 0 || longer.length <= width ? [...lines.slice(0, -1), longer] : [...lines, word];
  }, []);

/**
 * A table as text without colours: the first column to the left, the others to the right. One that is too wide has each
 * row's name on a line above its values, and where that is too wide, too, a line for each value.
 *
 * @param columns how many the lines may take; those of standard output when absent.
 */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number = columnsOf(process.stdout),
): string {
  const layouts = [framedTable, namesAbove];
  const fitting = layouts.map((layout) => layout(head, rows)).find((text) => widthOf(text) <= columns);
  return fitting ?? stacked(head, rows);
}

/** The columns that a text takes. */
export const widthOf = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

/**
 * A table in a frame, as wide as it is: the first column to the left, the others to the right.
 *
 * @param rows each a cell a column, or a text that spans all columns.
 */
export function framedTable(
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

/** The names over the values, which stand below the head's. */
function namesAbove([what = '', ...head]: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i + 1]?.length ?? 0)),
  );
  const line = (values: readonly string[]): string =>
    `  ${values.map((value, i) => value.padStart(widths[i]!)).join('  ')}`;
  return [what, line(head), ...rows.flatMap(([name = '', ...values]) => [name, line(values)])].join('\n');
}

/** A line for each value. */
function stacked([what = '', ...head]: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = Math.max(0, ...head.map((title) => title.length));
  const values = rows.flatMap(([name = '', ...row]) => [
    name,
    ...row.map((value, i) => `  ${head[i]!.padEnd(width)}  ${value}`),
  ]);
  return [what, ...values].join('\n');
}

function cell({ accuracy, loss }: Scores): string {
  return `${(100 * accuracy).toFixed(1)} % (${loss.toFixed(3)})`;
}
