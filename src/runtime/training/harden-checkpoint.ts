import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { describeFsError, writeAtomic } from '../files.ts';
import { decodeSafetensors, encodeSafetensors } from '../safetensors.ts';
import { prefixed, under } from '../tensor.ts';
import type { HardenCheckpoint } from './harden.ts';

const format = 'sparring-harden-1';

const Means = z.strictObject({ loss: z.number(), accuracy: z.number() });
const Position = z.strictObject({
  records: z.array(
    z.strictObject({
      epoch: z.int().positive(),
      train: Means,
      eps: z.number(),
      clean: z.number(),
      robust: z.number(),
      restored: z.boolean(),
    }),
  ),
  running: z
    .strictObject({ steps: z.int().nonnegative(), loss: z.number(), accuracy: z.number() })
    .nullable(),
});

/** Writes a checkpoint as one safetensors file, atomically. */
export async function saveHardening(
  path: string,
  { records, running, state, best }: HardenCheckpoint,
  hash: string,
): Promise<void> {
  const tensors = new Map([...prefixed('state:', state), ...prefixed('best:', best ?? new Map())]);
  await writeAtomic(
    path,
    encodeSafetensors(tensors, { format, config: hash, position: JSON.stringify({ records, running }) }),
  );
}

/**
 * Reads a checkpoint; null when there is none.
 *
 * @throws InputError when the file is damaged, is no such checkpoint, or belongs to another training.
 */
export async function loadHardening(path: string, hash: string): Promise<HardenCheckpoint | null> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new InputError(describeFsError(error, `cannot read ${path}`));
  });
  if (bytes === null) return null;
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata['format'] !== format) {
    throw new InputError(`${path}: is no checkpoint of a hardening; choose another --out FILE`);
  }
  if (metadata['config'] !== hash) {
    throw new InputError(
      `${path}: was begun with another model, other preprocessing, images or options; repeat the command that began it, or remove it`,
    );
  }
  const position = Position.safeParse(JSON.parse(metadata['position'] ?? 'null'));
  if (!position.success) throw new InputError(`${path}: its position is damaged; remove it to start again`);
  const [state, best] = [under('state:', tensors), under('best:', tensors)];
  return { ...position.data, state, best: best.size > 0 ? best : null };
}
