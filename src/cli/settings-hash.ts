import { createHash } from 'node:crypto';
import type { SessionOptions } from '../runtime/session.ts';
import { environment } from './version.ts';

/**
 * What a checkpoint belongs to, as a hash: all that decides the bits of a training, the versions of onnxruntime and of this
 * package among it.
 *
 * @param what plain data.
 */
export async function settingsHash(
  what: object,
  { device, threads }: Pick<SessionOptions, 'device' | 'threads'>,
): Promise<string> {
  const { onnxruntime, sparring } = await environment({ device, threads });
  const all = { ...what, device, threads, onnxruntime, sparring };
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
