import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { readLabelsFile, type LabelledFile } from './labels-file.ts';
import { isPictureName } from './picture.ts';

/** The pictures in a folder. */
export interface FolderFiles {
  readonly folder: string;
  /** Paths in the folder, with `/` between their parts, and the name of the class; null where nobody knows it. */
  readonly files: readonly (LabelledFile | { readonly file: string; readonly label: null })[];
  /** Names of classes, some of which may have no picture. */
  readonly classes: readonly string[];
}

/** Files in which labels are looked for. */
const labelsFiles = ['labels.csv', 'labels.json'];

/**
 * Lists the pictures of a folder. Their classes are in a file of labels; else the folders are the classes; else nobody
 * knows them. Hidden files are passed over, and links are followed.
 *
 * @param labels a file of labels; undefined for `labels.csv` or `labels.json` in the folder, if there is one.
 * @throws InputError when the labels cannot be read, or pictures are both beside and in class folders.
 */
export async function listFolder(folder: string, labels: string | undefined): Promise<FolderFiles> {
  const entries = await entriesOf(folder);
  const own = labelsFiles.find((name) => entries.some((entry) => entry.name === name));
  const labelsFile = labels ?? (own === undefined ? undefined : join(folder, own));
  if (labelsFile !== undefined) {
    const files = await readLabelsFile(labelsFile);
    return { folder, files, classes: files.map(({ label }) => label) };
  }
  const classes = entries.filter(({ isFolder }) => isFolder).map(({ name }) => name);
  const loose = entries.filter(({ name, isFolder }) => !isFolder && isPictureName(name));
  const within: LabelledFile[] = [];
  for (const label of classes) {
    for (const file of await picturesIn(join(folder, label)))
      within.push({ file: `${label}/${file}`, label });
  }
  if (loose.length > 0 && within.length > 0) {
    throw new InputError(
      `${folder}: has pictures beside its class folders, such as ${loose[0]!.name}; move them into one, or add labels.csv`,
    );
  }
  return within.length > 0
    ? { folder, files: within, classes }
    : { folder, files: loose.map(({ name }) => ({ file: name, label: null })), classes: [] };
}

/** The folders in a folder, without hidden ones. */
export async function foldersIn(folder: string): Promise<readonly string[]> {
  return (await entriesOf(folder)).filter(({ isFolder }) => isFolder).map(({ name }) => name);
}

interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** What a folder holds that is not hidden, sorted. */
async function entriesOf(folder: string): Promise<readonly Entry[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${folder}`), { cause: error });
  });
  const shown = found.filter(({ name }) => !name.startsWith('.') && name !== '__MACOSX');
  const entries = await Promise.all(
    shown.map(async (entry): Promise<Entry> => {
      const target = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => entry) : entry;
      return { name: entry.name, isFolder: target.isDirectory() };
    }),
  );
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The pictures in a folder and all folders in it. `above`: the folders that it is in, which a link may lead back to. */
async function picturesIn(folder: string, above: readonly string[] = []): Promise<readonly string[]> {
  const real = await realpath(folder);
  if (above.includes(real)) return [];
  const pictures: string[] = [];
  for (const { name, isFolder } of await entriesOf(folder)) {
    if (isFolder) {
      const within = await picturesIn(join(folder, name), [...above, real]);
      pictures.push(...within.map((file) => `${name}/${file}`));
    } else if (isPictureName(name)) pictures.push(name);
  }
  return pictures;
}
