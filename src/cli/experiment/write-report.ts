import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { describeFsError, makeFolder, writeAtomic } from '../../runtime/files.ts';
import { InputError, isRun, readConfusions } from '../../runtime/index.ts';
import { perturbations } from './perturbations.ts';
import { joinInputs, parseInput, type Inputs } from '../../report/paper/inputs.ts';
import { threatModels } from '../../report/paper/results.ts';
import { commandLine } from '../command-line.ts';

/**
 * Reads what runs left behind.
 *
 * @param folders runs, folders of runs, or folders of copies of their JSON files.
 * @throws InputError when there is none, or no cell is finished.
 */
export async function readInputs(folders: readonly string[]): Promise<Inputs> {
  const files = (await Promise.all(folders.map(findFiles))).flat();
  const texts = await Promise.all(files.map(async (file) => ({ file, text: await read(file) })));
  const stray = texts.filter(({ file, text }) => isStray(file, text));
  for (const { file } of stray) process.stderr.write(`${file}: not a result or an evaluation; ignored\n`);
  const inputs = joinInputs(
    texts.filter((each) => !stray.includes(each)).map(({ file, text }) => parseInput(text, file)),
  );
  if (inputs.cells.length > 0) return inputs;
  throw new InputError(
    stray.length === files.length
      ? `${folders.join(', ')}: has no result of a run; name the folder of a run, or one that holds runs`
      : `${folders.join(', ')}: no cell is finished yet; resume the run`,
  );
}

/**
 * Writes `report.html` into a folder, which is made, and its figures into `figures` there; gives the paths written.
 *
 * @param title what the page is called.
 * @param figures false for the page alone, which holds them too.
 * @param data where the data of the runs is now, if it was moved.
 */
export async function writeReport(
  folder: string,
  { cells, evaluations, withstands }: Inputs,
  title: string,
  { figures = true, data }: { readonly figures?: boolean; readonly data?: string | undefined } = {},
): Promise<readonly string[]> {
  // Only here, so that other commands do not wait for the plotting library.
  const { panelFiles, renderReport } = await import('../../report/paper/index.ts');
  const threats = [];
  for (const threat of threatModels(cells))
    threats.push({ ...threat, ...(await perturbations(threat.cells, data)) });
  const shown = threats.flatMap((threat) => threat.cells);
  const samples = [];
  const confused = [];
  for (const cell of shown) {
    const png = await readFile(join(dirname(cell.source), cell.folder, 'samples.png')).catch(() => null);
    if (png) samples.push({ cell, png });
    const confusions = await readConfusions(cell.source, cell);
    if (confusions) confused.push({ cell, confusions });
  }
  const { page, panels } = await renderReport(threats, evaluations, title, {
    samples,
    confused,
    withstands,
  });
  const files = new Map<string, string | Uint8Array>([[join(folder, 'report.html'), page]]);
  for (const panel of figures ? panels : []) {
    for (const [name, content] of await panelFiles(panel)) files.set(join(folder, 'figures', name), content);
  }
  for (const [path, content] of files) {
    await makeFolder(dirname(path));
    await writeAtomic(path, content);
  }
  return [...files.keys()];
}

/** Writes a run's `report.html`, in the run's folder; gives its path. */
export async function writePage(run: string): Promise<string> {
  const [page] = await writeReport(run, await readInputs([run]), basename(resolve(run)), { figures: false });
  return page!;
}

/**
 * Writes the page of a run and an evaluation of it into the evaluation's folder, which may be the run's own; gives its
 * path.
 *
 * @param data where the data of the run is now, if it was moved.
 */
export async function writeEvaluationPage(
  run: string,
  folder: string,
  data: string | undefined,
): Promise<string> {
  const paths = await existing([
    join(run, 'result.json'),
    join(folder, 'evaluation.json'),
    join(run, 'withstand.json'),
  ]);
  const inputs = joinInputs(await Promise.all(paths.map(async (path) => parseInput(await read(path), path))));
  const [page] = await writeReport(folder, inputs, basename(resolve(run)), { figures: false, data });
  return page!;
}

/** Writes the tables of a report as `README.md` into a folder, which is made; gives its path. */
export async function writeMarkdown(folder: string, inputs: Inputs): Promise<readonly string[]> {
  const { renderMarkdown } = await import('../../report/paper/markdown.ts');
  const path = join(folder, 'README.md');
  await makeFolder(folder);
  await writeAtomic(path, renderMarkdown(inputs, folder));
  return [path];
}

const runFiles = ['result.json', 'evaluation.json', 'withstand.json'] as const;

/** The files of a run, of a folder of runs, or of a folder of such files. */
async function findFiles(folder: string): Promise<readonly string[]> {
  const own = await existing(runFiles.map((name) => join(folder, name)));
  if (own.length > 0) return own;
  if (await isRun(folder)) {
    throw new InputError(
      `${folder}: no cell is finished yet; resume the run with: ${commandLine('train', '--resume', folder)}`,
    );
  }
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${folder}`));
  });
  // links last: what runs/latest leads to goes by its own name
  const names = [false, true].flatMap((isLink) =>
    entries
      .filter((entry) => entry.isSymbolicLink() === isLink)
      .map(({ name }) => name)
      .toSorted(),
  );
  const found = await existing(
    names.flatMap((name) =>
      name.endsWith('.json') ? [join(folder, name)] : runFiles.map((file) => join(folder, name, file)),
    ),
  );
  if (found.length > 0) return found;
  throw new InputError(`${folder}: has no result.json; name the folder of a run, or one that holds runs`);
}

/** Whether a file, whose name says nothing, holds something else than a file of a run. */
function isStray(file: string, text: string): boolean {
  if (runFiles.some((name) => name === basename(file))) return false;
  try {
    const json: unknown = JSON.parse(text);
    return (
      typeof json !== 'object' ||
      json === null ||
      !('runs' in json || 'cells' in json || 'withstands' in json)
    );
  } catch {
    // it may be a damaged copy, which must not be left out
    return false;
  }
}

/** The files among some paths; one that a link leads to as well, such as runs/latest, is listed once. */
async function existing(paths: readonly string[]): Promise<readonly string[]> {
  const real = await Promise.all(
    paths.map(async (path) => ((await stat(path).catch(() => null))?.isFile() ? await realpath(path) : null)),
  );
  return paths.filter((_, i) => real[i] !== null && real.indexOf(real[i]!) === i);
}

const read = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${file}`));
  });
