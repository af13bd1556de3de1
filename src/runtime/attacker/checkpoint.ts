import { z } from 'zod';
import { readCheckpoint, writeCheckpoint, type CheckpointKind } from '../training/checkpoint-file.ts';
import type { AttackerCheckpoint, AttackerSums } from './train.ts';

const Sums: z.ZodType<AttackerSums> = z.strictObject({
  steps: z.int().nonnegative(),
  loss: z.number(),
  success: z.number(),
});

const kind: CheckpointKind<Pick<AttackerCheckpoint, 'epochs' | 'running'>> = {
  format: 'sparring-attacker-checkpoint-2',
  position: z.strictObject({ epochs: z.array(Sums), running: Sums }),
  foreign: (format) =>
    format.startsWith('sparring-attacker-checkpoint-')
      ? 'is of another version of sparring; resume it with that version, or remove it to start again'
      : 'is no checkpoint of an attacker; remove it to start again',
  other:
    'is of a training with another classifier, data, option or version; repeat its command, or start again with --force',
};

/**
 * Writes a checkpoint as one safetensors file, atomically.
 *
 * @param settings of all that decides the bits, as one hash.
 */
export const saveAttacker = (
  path: string,
  { state, epochs, running }: AttackerCheckpoint,
  settings: string,
): Promise<void> =>
  writeCheckpoint(path, kind, { tensors: state, position: { epochs, running }, notes: {} }, settings);

/**
 * Reads a checkpoint; null where there is none.
 *
 * @throws InputError when it is damaged, or of a training with other settings.
 */
export async function loadAttackerCheckpoint(
  path: string,
  settings: string,
): Promise<AttackerCheckpoint | null> {
  const found = await readCheckpoint(path, kind, settings);
  return found && { ...found.position, state: found.tensors };
}
