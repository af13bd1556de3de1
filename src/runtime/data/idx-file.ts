import { gunzipSync } from 'node:zlib';
import { InputError } from '../errors.ts';

/** The element types of integers, by their code in the file. */
const types = {
  0x08: { name: 'unsigned bytes', size: 1, read: (view: DataView, at: number) => view.getUint8(at) },
  0x09: { name: 'signed bytes', size: 1, read: (view: DataView, at: number) => view.getInt8(at) },
  0x0b: { name: 'int16', size: 2, read: (view: DataView, at: number) => view.getInt16(at) },
  0x0c: { name: 'int32', size: 4, read: (view: DataView, at: number) => view.getInt32(at) },
} as const;

/** A code of an element type. */
export type IdxType = 0x08 | 0x09 | 0x0b | 0x0c;

/** What a file may hold. */
export interface IdxKind {
  readonly types: readonly IdxType[];
  /** Numbers of dimensions. */
  readonly ranks: readonly number[];
}

/** Images: unsigned bytes [count,height,width], or [count,channels,height,width]. */
export const imageKind: IdxKind = { types: [0x08], ranks: [3, 4] };
/** Labels: integers [count]. */
export const labelKind: IdxKind = { types: [0x08, 0x09, 0x0b, 0x0c], ranks: [1] };

/** The beginning of an IDX file. */
export interface IdxHeader {
  readonly type: IdxType;
  /** The length of each dimension, the slowest first: `[count, height, width]` of images, `[count]` of labels. */
  readonly shape: readonly number[];
  /** Where the elements begin, in bytes. */
  readonly start: number;
}

/** Bytes of the longest header that is read here. */
export const longestHeader: number = 4 + 4 * Math.max(...imageKind.ranks);

/**
 * Reads the beginning of an IDX file (the MNIST page, "file formats"): two zero bytes, a byte for the element type, a
 * byte for the number of dimensions, the length of each as a big-endian 32-bit integer. The elements follow.
 *
 * @param bytes the file, not compressed, or its first {@link longestHeader} bytes.
 * @param length of the whole file, in bytes.
 * @param kind what it must hold.
 * @param what the name of the file, with which errors begin.
 * @throws InputError if it holds other elements, has another rank, or is too short or too long.
 */
export function parseHeader(bytes: Uint8Array, length: number, kind: IdxKind, what: string): IdxHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = length >= 4 ? view.getUint32(0) : null;
  const [type, rank] = magic === null ? [kind.types[0]!, kind.ranks[0]!] : [magic >>> 8, magic & 0xff];
  const known = kind.types.find((code) => code === type);
  if (known === undefined || !kind.ranks.includes(rank)) {
    const magics = kind.types.flatMap((code) => kind.ranks.map((ranks) => hex((code << 8) | ranks)));
    const elements = kind.types.map((code) => types[code].name);
    const expected = `${either(magics)} (${either(elements)}, rank ${either(kind.ranks.map(String))})`;
    throw new InputError(`${what}: not the IDX file expected: magic ${hex(magic!)}, must be ${expected}`);
  }
  const start = 4 + 4 * rank;
  if (length < start) {
    throw new InputError(
      `${what}: truncated: ${length} bytes, the header takes ${start}; fetch the file again`,
    );
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const end = shape.reduce((size, along) => size * along, types[known].size) + start;
  if (length !== end) {
    const problem = length < end ? 'truncated' : `${length - end} trailing bytes`;
    const sizes = `${length} bytes, shape [${shape.join(', ')}] takes ${end}`;
    throw new InputError(`${what}: ${problem}: ${sizes}; fetch the file again`);
  }
  return { type: known, shape, start };
}

/** The elements of a file that was read whole, as int32. */
export function elementsOf(bytes: Uint8Array, { type, start }: IdxHeader): Int32Array {
  const { size, read } = types[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start);
  return Int32Array.from({ length: view.byteLength / size }, (_, i) => read(view, i * size));
}

/** Whether a file is compressed with gzip, told by its first two bytes. */
export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

/**
 * What a file holds that is compressed with gzip.
 *
 * @param most bytes to unpack into memory.
 * @param what the name of the file, with which errors begin.
 * @throws InputError if the data is corrupt or cut off, or larger than `most`.
 */
export function gunzip(bytes: Uint8Array, most: number, what: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: most });
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new InputError(`${what}: holds more than ${most} bytes; unpack it with gunzip first`, {
        cause: error,
      });
    }
    throw new InputError(`${what}: corrupt gzip data (${message}); fetch the file again`, { cause: error });
  }
}

const hex = (magic: number): string => `0x${magic.toString(16).padStart(8, '0')}`;

const either = (words: readonly string[]): string =>
  words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words.at(-1)!}`;
