import { z } from 'zod';
import { prefixed, under } from '../tensor.ts';
import { readCheckpoint, writeCheckpoint, type CheckpointKind } from './checkpoint-file.ts';
import type { HardenCheckpoint, HardenRecord as Epoch } from './harden.ts';

/** An epoch of a hardening, as files hold it. */
export const HardenRecord: z.ZodType<Epoch> = z.object({
  epoch: z.int().positive(),
  train: z.object({ loss: z.number(), accuracy: z.number() }),
  eps: z.number(),
  clean: z.number(),
  robust: z.number(),
  restored: z.boolean(),
});
export type HardenRecord = Epoch;

/** What is said of a file that cannot be used. */
type Said = Pick<CheckpointKind<unknown>, 'foreign' | 'other'>;

const kind = {
  format: 'sparring-harden-1',
  position: z.strictObject({
    records: z.array(HardenRecord),
    running: z
      .strictObject({ steps: z.int().nonnegative(), loss: z.number(), accuracy: z.number() })
      .nullable(),
  }),
} satisfies Partial<CheckpointKind<Pick<HardenCheckpoint, 'records' | 'running'>>>;

/** Of the checkpoint of `sparring harden`. */
const ofCommand: Said = {
  foreign: () => 'is no checkpoint of a hardening; choose another --out FILE',
  other:
    'was begun with another model, other preprocessing, images, options or version; repeat the command that began it, or remove it',
};

/** Writes a checkpoint as one safetensors file, atomically. */
export const saveHardening = (
  path: string,
  { records, running, state, best }: HardenCheckpoint,
  hash: string,
): Promise<void> =>
  writeCheckpoint(
    path,
    kind,
    {
      tensors: new Map([...prefixed('state:', state), ...prefixed('best:', best ?? new Map())]),
      position: { records, running },
      notes: {},
    },
    hash,
  );

/**
 * Reads a checkpoint; null when there is none.
 *
 * @param said what is said of a file that cannot be used; when absent, it is the checkpoint of `sparring harden`.
 * @throws InputError when the file is damaged, is no such checkpoint, or belongs to another training.
 */
export async function loadHardening(
  path: string,
  hash: string,
  said: Said = ofCommand,
): Promise<HardenCheckpoint | null> {
  const found = await readCheckpoint(path, { ...kind, ...said }, hash);
  if (!found) return null;
  const [state, best] = [under('state:', found.tensors), under('best:', found.tensors)];
  return { ...found.position, state, best: best.size > 0 ? best : null };
}
