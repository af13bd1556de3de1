import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFsError, makeFolder, writeAtomic } from '../files.ts';
import { decodeSafetensors, encodeSafetensors } from '../safetensors.ts';
import type { Parts } from './parts.ts';

/** Parts as files of a folder. */
export interface PartsFolder extends Parts {
  readonly path: string;
  /** How many parts the folder had when it was opened. */
  readonly found: number;
  /** How many parts were computed since. */
  readonly computed: () => number;
  /** Why parts are no longer kept, in one line; undefined while they are. */
  readonly failure: () => string | undefined;
  /** Removes the folder, when all of the audit is written. */
  remove(): Promise<void>;
}

/**
 * Where the finished parts of an audit lie until all of it is there. Audits with other settings have other folders, so
 * that none takes over another's parts.
 *
 * @param settings all that decides the numbers.
 */
export function partsPath(folder: string, settings: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
  return join(folder, `audit.partial-${hash.slice(0, 16)}`);
}

/**
 * Opens the parts in a folder, which is made with the first part that is kept. Each is a safetensors file that is written
 * in one step: a part is there whole, or not at all.
 *
 * @param also folders of the same audit on other machines, whose parts are read, too.
 */
export async function openParts(path: string, also: readonly string[] = []): Promise<PartsFolder> {
  const folders = [path, ...also];
  const names = await Promise.all(folders.map(partsIn));
  let failure: string | undefined;
  let computed = 0;
  return {
    path,
    found: new Set(names.flat()).size,
    async find(name) {
      for (const folder of folders) {
        const file = join(folder, `${name}${ending}`);
        const bytes = await readFile(file).catch(() => null);
        if (!bytes) continue;
        try {
          return decodeSafetensors(bytes, file);
        } catch {
          // it is computed again
        }
      }
      return undefined;
    },
    async keep(name, { tensors, metadata }) {
      computed++;
      if (failure !== undefined) return;
      try {
        await makeFolder(path);
        await writeAtomic(join(path, `${name}${ending}`), encodeSafetensors(tensors, metadata));
      } catch (error) {
        failure = describeFsError(error, `cannot keep parts in ${path}`);
      }
    },
    computed: () => computed,
    failure: () => failure,
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

const ending = '.safetensors';

/** The names of the parts in a folder. */
export async function partsIn(folder: string): Promise<readonly string[]> {
  const files = await readdir(folder).catch(() => []);
  return files.filter((file) => file.endsWith(ending)).map((file) => file.slice(0, -ending.length));
}
