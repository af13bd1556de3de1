import type { Entry } from 'yauzl';
import { crc32 } from 'node:zlib';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';

/** The most that one array may take in memory, in bytes. */
const mostBytes = 2 ** 31;

/**
 * Reads arrays of an npz file: a zip file of npy files.
 *
 * @param wanted chooses among the names of the arrays.
 * @returns the npy file of each wanted array, by its name.
 * @throws InputError when it is no zip file, or is damaged or truncated.
 */
export async function readNpz(
  path: string,
  wanted: (names: readonly string[]) => readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const { default: yauzl } = await import('yauzl');
  const zip = await yauzl.openPromise(path, { autoClose: false }).catch((error: unknown) => {
    throw failed(error, path);
  });
  try {
    const entries = new Map<string, Entry>();
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName.replace(/\.npy$/, ''), entry);
    const arrays = new Map<string, Uint8Array>();
    for (const name of wanted([...entries.keys()])) {
      const entry = entries.get(name)!;
      if (entry.uncompressedSize > mostBytes) {
        throw new InputError(
          `${path}: ${name} holds more than ${mostBytes} bytes; save it alone with numpy.save`,
        );
      }
      const chunks: Uint8Array[] = [];
      for await (const chunk of await zip.openReadStreamPromise(entry)) chunks.push(chunk as Uint8Array);
      const bytes = Buffer.concat(chunks);
      // yauzl leaves the checksum to its caller
      if (crc32(bytes) !== entry.crc32) throw new Error(`the checksum of ${name} is wrong`);
      arrays.set(name, bytes);
    }
    return arrays;
  } catch (error) {
    throw failed(error, path);
  } finally {
    zip.close();
  }
}

function failed(error: unknown, path: string): InputError {
  if (error instanceof InputError) return error;
  if ((error as NodeJS.ErrnoException).syscall !== undefined) {
    return new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  }
  const [line] = (error as Error).message.split('\n', 1);
  return new InputError(`${path}: is no npz file, or is damaged (${line}); write it again with numpy.savez`, {
    cause: error,
  });
}
