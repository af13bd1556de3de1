import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
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
  threads: availableParallelism,
  prepare: () => {},
  inTurn: (work) => work(),
};
