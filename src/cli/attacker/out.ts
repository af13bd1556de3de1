import { realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Loaded } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import { makeFolder, removeTemporaries } from '../../runtime/files.ts';
import { InputError } from '../../runtime/index.ts';
import { probeFile } from '../audit/write.ts';

/** The file that a training is resumed from, beside the one that it writes. */
export const checkpointOf = (out: string): string => `${out}.checkpoint`;

/**
 * Finds out whether a training may write its files. One that exists needs `force`, or a checkpoint to resume from.
 *
 * @throws InputError when it would write over a file of a classifier, or over a file that nobody gave up.
 */
export async function demandOut(
  out: string,
  force: boolean,
  classifiers: readonly Pick<Loaded, 'name' | 'files'>[],
): Promise<void> {
  const written = [out, checkpointOf(out)];
  const places = await Promise.all(written.map(placeOf));
  for (const { name, files } of classifiers) {
    const own = [name, ...Object.keys(files.external).map((file) => node.beside(name, file))];
    for (const file of own) {
      const at = places.indexOf(await placeOf(file));
      if (at < 0) continue;
      throw new InputError(`--out: ${written[at]} is a file of the classifier ${name}; choose another --out`);
    }
  }
  const [exists, resumes] = await Promise.all(written.map(isThere));
  if (exists && !resumes && !force) {
    throw new InputError(`${out} exists; choose another --out, or replace it with --force`);
  }
}

/**
 * Makes the folder of the file, finds out before long work whether it can be written, and removes what writes left beside it
 * because their process was killed. Throws InputError.
 */
export async function makeOut(out: string): Promise<void> {
  await makeFolder(dirname(out));
  await probeFile(out, '--out FILE');
  for (const path of [out, checkpointOf(out)]) await removeTemporaries(path);
}

/** Where a file lies, whatever links lead there. */
const placeOf = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
