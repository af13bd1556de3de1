import { stat } from 'node:fs/promises';
import { Diverged } from '../runtime/index.ts';

/**
 * What a failed training throws. Where it diverged and left a checkpoint, the advice names --force too: other options do
 * not resume it.
 */
export async function withForce(error: unknown, checkpoint: string): Promise<unknown> {
  if (!(error instanceof Diverged) || !(await stat(checkpoint).catch(() => null))) return error;
  return new Error(`${error.message} and --force, which replaces ${checkpoint}`, { cause: error });
}
