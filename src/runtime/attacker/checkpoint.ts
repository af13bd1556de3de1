import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { describeFsError, writeAtomic } from '../files.ts';
import { decodeSafetensors, encodeSafetensors } from '../safetensors.ts';
import type { AttackerCheckpoint, AttackerSums } from './train.ts';

const format = 'sparring-attacker-checkpoint-1';

const Sums: z.ZodType<AttackerSums> = z.strictObject({
  steps: z.int().nonnegative(),
  loss: z.number(),
  success: z.number(),
});
const Position = z.strictObject({ epochs: z.array(Sums), running: Sums });

/**
 * Writes a checkpoint as one safetensors file, atomically.
 *
 * @param settings of all that decides the bits, as one hash.
 */
export async function saveAttacker(
  path: string,
  { state, epochs, running }: AttackerCheckpoint,
  settings: string,
): Promise<void> {
  const position = JSON.stringify({ epochs, running });
  await writeAtomic(path, encodeSafetensors(state, { format, settings, position }));
}

/**
 * Reads a checkpoint; null where there is none.
 *
 * @throws InputError when it is damaged, or of a training with other settings.
 */
export async function loadAttackerCheckpoint(
  path: string,
  settings: string,
): Promise<AttackerCheckpoint | null> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  if (bytes === null) return null;
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata['format'] !== format) {
    throw new InputError(`${path}: is no checkpoint of an attacker; remove it to start again`);
  }
  if (metadata['settings'] !== settings) {
    throw new InputError(
      `${path}: is of a training with another classifier, data, option or version; repeat its command, or start again ` +
        'with --force',
    );
  }
  try {
    return { ...Position.parse(JSON.parse(metadata['position'] ?? '')), state: tensors };
  } catch {
    throw new InputError(`${path}: its position is damaged; remove it to start again`);
  }
}
