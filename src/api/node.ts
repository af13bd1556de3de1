import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { InputError } from '../runtime/errors.ts';
import { describeFsError } from '../runtime/files.ts';
import type { Platform } from './platform.ts';

/** Node: models are files. */
export const node: Platform = {
  async read(path) {
    return await readFile(path).catch((error: unknown) => {
      throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
    });
  },
  beside: (source, name) => join(dirname(source), name),
  async optional(source, name) {
    return await readFile(join(dirname(source), name), 'utf8').catch(() => null);
  },
  threads: availableParallelism,
  prepare: () => {},
  inTurn: (work) => work(),
};
