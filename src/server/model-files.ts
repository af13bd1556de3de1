import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { InputError } from '../runtime/errors.ts';
import { describeFsError } from '../runtime/files.ts';

/**
 * Opens a model file to read it. The caller closes it.
 *
 * @throws InputError when it is missing, or no ordinary file: a pipe would wait for a writer for ever.
 */
export async function openModelFile(path: string): Promise<FileHandle> {
  const file = await reading(path, () => open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)));
  const ordinary = await file.stat().then(
    (stats) => stats.isFile(),
    () => false,
  );
  if (ordinary) return file;
  await file.close();
  throw new InputError(`cannot read ${path}: it is not an ordinary file; restore the one that the run wrote`);
}

/**
 * The hash and size of an open file.
 *
 * @throws InputError when the hash is not the one that the run wrote down.
 */
export async function digestOf(
  path: string,
  file: FileHandle,
  expected: string,
): Promise<{ readonly sha256: string; readonly size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  await reading(path, async () => {
    const stream = file.createReadStream({ start: 0, autoClose: false, highWaterMark: 256 * 1024 });
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
    }
  });
  return { sha256: confirmed(path, hash.digest('hex'), expected), size };
}

/** The bytes of a model file. Throws InputError as {@link openModelFile} and {@link digestOf}. */
export async function readModelFile(path: string, expected: string): Promise<Uint8Array> {
  const file = await openModelFile(path);
  try {
    const bytes = await reading(path, () => file.readFile());
    confirmed(path, createHash('sha256').update(bytes).digest('hex'), expected);
    return bytes;
  } finally {
    await file.close();
  }
}

function confirmed(path: string, sha256: string, expected: string): string {
  if (sha256 === expected) return sha256;
  const start = (hex: string): string => `${hex.slice(0, 12)}...`;
  throw new InputError(
    `${path}: is not the file that the run wrote (sha256 ${start(sha256)}, result.json has ${start(expected)}); restore it or train again`,
  );
}

async function reading<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  }
}
