import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { InputError } from '../errors.ts';
import { describeFsError, makeFolder, writeAtomic } from '../files.ts';
import { decodeSafetensors, encodeSafetensors } from '../safetensors.ts';
import type { Tensors } from '../tensor.ts';

/** A kind of checkpoint: what its file holds beside tensors, and what is said of a file that cannot be used. */
export interface CheckpointKind<P> {
  /** Its name and version, which stands in the file. */
  readonly format: string;
  /** How far the training has come. */
  readonly position: z.ZodType<P>;
  /** Of a file of another format: what it is not, and the way out. */
  readonly foreign: (format: string) => string;
  /** Of a file that belongs to a training with other settings: with which, and the way out. */
  readonly other: string;
}

/** What a checkpoint's file holds. */
export interface CheckpointContent<P> {
  readonly tensors: Tensors;
  readonly position: P;
  /** Texts beside the position, by name. */
  readonly notes: Readonly<Record<string, string>>;
}

/**
 * Writes a checkpoint as one safetensors file, atomically: the old one stays until the new one is whole.
 *
 * @param hash of all that decides the bits of the training.
 */
export async function writeCheckpoint<P>(
  path: string,
  { format }: Pick<CheckpointKind<P>, 'format'>,
  { tensors, position, notes }: CheckpointContent<P>,
  hash: string,
): Promise<void> {
  await makeFolder(dirname(path));
  await writeAtomic(
    path,
    encodeSafetensors(tensors, { ...notes, format, config: hash, position: JSON.stringify(position) }),
  );
}

/**
 * Reads a checkpoint; null where there is none.
 *
 * @throws InputError in one line when the file is damaged, of another format, or belongs to another training.
 */
export async function readCheckpoint<P>(
  path: string,
  { format, position, foreign, other }: CheckpointKind<P>,
  hash: string,
): Promise<CheckpointContent<P> | null> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  if (bytes === null) return null;
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata['format'] !== format) {
    throw new InputError(`${path}: ${foreign(metadata['format'] ?? 'none')}`);
  }
  if (metadata['config'] !== hash) throw new InputError(`${path}: ${other}`);
  const { format: _, config: __, position: text = '', ...notes } = metadata;
  try {
    return { tensors, position: position.parse(JSON.parse(text)), notes };
  } catch {
    throw new InputError(`${path}: its position is corrupt; remove it to start again`);
  }
}
