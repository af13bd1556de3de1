import { gunzipSync } from 'node:zlib';
import { InputError } from '../errors.ts';

/** The content of an IDX file of unsigned bytes. */
export interface Idx {
  /** The length of each dimension, the slowest first: `[count, height, width]` of images, `[count]` of labels. */
  readonly shape: readonly number[];
  /** The elements, row-major, 0..255; a view of the file. */
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;

/**
 * The file itself, or what it holds if it is compressed with gzip, told by its first two bytes.
 *
 * @param what the name of the file, with which errors begin.
 * @throws InputError if the gzip data is corrupt or cut off.
 */
export function gunzip(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    const { message } = error as Error;
    throw new InputError(`${what}: corrupt gzip data (${message}); fetch the file again`, { cause: error });
  }
}

/**
 * Reads the IDX format (the MNIST page, "file formats"): two zero bytes, a byte for the element type, a byte for
 * the number of dimensions, the length of each as a big-endian 32-bit integer, then the elements.
 *
 * @param bytes the file, not compressed.
 * @param rank how many dimensions it must have: 3 for images, 1 for labels.
 * @param what the name of the file, with which errors begin.
 * @throws InputError if it has other elements than unsigned bytes, another rank, or is too short or too long.
 */
export function parseIdx(bytes: Uint8Array, rank: 1 | 3, what: string): Idx {
  const start = 4 + 4 * rank;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = (UNSIGNED_BYTE << 8) | rank;
  if (bytes.length >= 4 && view.getUint32(0) !== magic) {
    const expected = `${hex(magic)} (unsigned bytes, rank ${rank})`;
    throw new InputError(
      `${what}: not the IDX file expected: magic ${hex(view.getUint32(0))}, must be ${expected}`,
    );
  }
  if (bytes.length < start) {
    throw new InputError(
      `${what}: truncated: ${bytes.length} bytes, the header takes ${start}; fetch the file again`,
    );
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const end = shape.reduce((size, length) => size * length, 1) + start;
  if (bytes.length !== end) {
    const problem = bytes.length < end ? 'truncated' : `${bytes.length - end} trailing bytes`;
    const sizes = `${bytes.length} bytes, shape [${shape.join(', ')}] takes ${end}`;
    throw new InputError(`${what}: ${problem}: ${sizes}; fetch the file again`);
  }
  return { shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start) };
}

function hex(magic: number): string {
  return `0x${magic.toString(16).padStart(8, '0')}`;
}
