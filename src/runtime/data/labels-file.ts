import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';

/** A file and the name or number of its class. */
export interface LabelledFile {
  readonly file: string;
  readonly label: string;
}

const Label = z.union([z.string(), z.int()]).transform(String);
const LabelsJson = z.union([
  z.array(z.object({ file: z.string(), label: Label })),
  z
    .record(z.string(), Label)
    .transform((all) => Object.entries(all).map(([file, label]) => ({ file, label }))),
]);

/**
 * Reads which class each file is of: CSV with the columns file and label, in this order or under these headings; or JSON,
 * `[{ "file": "a.png", "label": "cat" }]` or `{ "a.png": "cat" }`. A label is a name or a number from 0 on.
 *
 * @throws InputError in one line when it cannot be read, names a file twice, or names none.
 */
export async function readLabelsFile(path: string): Promise<readonly LabelledFile[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  const all = /\.json$/i.test(path) ? fromJson(text, path) : await fromCsv(text, path);
  if (all.length === 0) throw new InputError(`${path}: names no file; at least one is needed`);
  const seen = new Set<string>();
  for (const { file } of all) {
    if (seen.has(file)) throw new InputError(`${path}: has ${file} twice; remove one of the two`);
    seen.add(file);
  }
  return all;
}

function fromJson(text: string, path: string): readonly LabelledFile[] {
  const found = LabelsJson.safeParse(parsed(text, path));
  if (found.success) return found.data;
  throw new InputError(
    `${path}: must be { "a.png": "cat" } or [{ "file": "a.png", "label": "cat" }]; rewrite it`,
  );
}

function parsed(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const [line] = (error as Error).message.split('\n', 1);
    throw new InputError(`${path}: is not JSON (${line}); correct it`, { cause: error });
  }
}

/** What others call the column of files. Taken as a picture, such a heading becomes an error about something else. */
const headings = /^(file|file[ _]?names?|files|images?|image[ _]?(name|path|id)|(file[ _]?)?paths?)$/i;

async function fromCsv(text: string, path: string): Promise<readonly LabelledFile[]> {
  const { parse } = await import('csv-parse/sync');
  let rows: readonly (readonly string[])[];
  try {
    rows = parse(text, { bom: true, trim: true, skip_empty_lines: true, relax_column_count: true });
  } catch (error) {
    const [line] = (error as Error).message.split('\n', 1);
    throw new InputError(`${path}: is not CSV (${line}); correct it`, { cause: error });
  }
  const heads = (rows[0] ?? []).map((cell) => cell.toLowerCase());
  const [file, label] = [heads.indexOf('file'), heads.indexOf('label')];
  const headed = file !== -1 && label !== -1;
  if (!headed && rows[0]?.[0] && headings.test(rows[0][0])) {
    throw new InputError(`${path}: the columns are called ${rows[0].join()}; call them file and label`);
  }
  return rows.slice(headed ? 1 : 0).map((row) => {
    const pair = { file: row[headed ? file : 0] ?? '', label: row[headed ? label : 1] ?? '' };
    if (pair.file !== '' && pair.label !== '') return pair;
    throw new InputError(`${path}: each line must hold a file and its label, got ${row.join()}; correct it`);
  });
}
