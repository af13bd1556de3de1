import { Command } from '@commander-js/extra-typings';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { makeFolder } from '../runtime/checkpoint.ts';
import { describeFsError, writeAtomic } from '../runtime/files.ts';
import { InputError } from '../runtime/index.ts';
import { parseResult, refuseDuplicates, type Cell } from '../runtime/report/results.ts';

/** `sparring report`: one page, and its figures, of the results of one or more runs. */
export function reportCommand() {
  return new Command('report')
    .description('Write report.html and its figures: the paper beside what was measured.')
    .argument('<folders...>', 'runs, or folders of runs or of result files')
    .option('--out <dir>', 'where to write (default: the folder, when it is one)')
    .action(async (folders, { out }) => {
      if (out === undefined && folders.length > 1) {
        throw new InputError('a report of several folders needs a folder of its own; name it by --out');
      }
      const files = (await Promise.all(folders.map(findResults))).flat();
      const cells = (await Promise.all(files.map(readCells))).flat();
      if (cells.length === 0) throw new InputError(`${folders.join(', ')}: no cell is finished yet`);
      refuseDuplicates(cells);
      const target = out ?? folders[0]!;
      const title = folders.map((folder) => basename(resolve(folder))).join(', ');
      for (const path of await writeReport(target, cells, title)) console.log(path);
    });
}

/** Writes a report into a folder; gives the paths written. */
async function writeReport(
  folder: string,
  cells: readonly Cell[],
  title: string,
): Promise<readonly string[]> {
  // Only here, so that other commands do not wait for the plotting library.
  const { renderReport } = await import('../runtime/report/index.ts');
  const files = await renderReport(cells, title);
  for (const [name, content] of files) {
    await makeFolder(dirname(join(folder, name)));
    await writeAtomic(join(folder, name), content);
  }
  return [...files.keys()].map((name) => join(folder, name));
}

/** The result files of a run, of a folder of runs, or of a folder of result files. */
async function findResults(folder: string): Promise<readonly string[]> {
  const own = join(folder, 'result.json');
  if (await exists(own)) return [own];
  const names = await readdir(folder).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${folder}`));
  });
  const candidates = names
    .sort()
    .map((name) => join(folder, name.endsWith('.json') ? name : join(name, 'result.json')));
  const there = await Promise.all(candidates.map(exists));
  const found = candidates.filter((_, i) => there[i]);
  if (found.length > 0) return found;
  throw new InputError(`${folder}: has no result.json; name the folder of a run, or one that holds runs`);
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );

async function readCells(file: string): Promise<readonly Cell[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${file}`));
  });
  return parseResult(text, file);
}
