import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { partsIn } from '../../runtime/audit/parts-folder.ts';
import { InputError } from '../../runtime/errors.ts';
import { describeFsError } from '../../runtime/files.ts';

/**
 * The folders with parts of shards of an audit.
 *
 * @param folders each that of a shard (`--out`), or the folder of parts that it printed.
 * @param own the path of this audit's parts, whose name says its settings.
 * @throws InputError when a folder cannot be read or has no parts of this audit.
 */
export async function mergedParts(folders: readonly string[], own: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const folder of folders) {
    const entries = await readdir(folder).catch((error: unknown) => {
      throw new InputError(describeFsError(error, `--merge: cannot read ${folder}`), { cause: error });
    });
    const path = basename(folder) === basename(own) ? folder : join(folder, basename(own));
    if ((await partsIn(path)).length > 0) {
      found.push(path);
      continue;
    }
    const others = entries.some((name) => name.startsWith('audit.partial-'));
    throw new InputError(
      `--merge: ${folder} has no parts of this audit${others ? ', only of one with other settings' : ''}; name the folder ` +
        'of a shard with the same model, data, options, threads and version',
    );
  }
  return found;
}

export const partsText = (n: number): string => (n === 1 ? '1 part' : `${n} parts`);
