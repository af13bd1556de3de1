import { InputError } from '../errors.ts';

/** The beginning of an npy file. */
export interface NpyHeader {
  /** The type of the elements as numpy writes it, such as `<f4`; `|u1` are unsigned bytes. */
  readonly type: NpyType;
  /** The length of each dimension, the slowest first. */
  readonly shape: readonly number[];
  /** Where the elements begin, in bytes. */
  readonly start: number;
}

const sizes = {
  '|u1': 1,
  '|i1': 1,
  '<u2': 2,
  '<i2': 2,
  '<u4': 4,
  '<i4': 4,
  '<u8': 8,
  '<i8': 8,
  '<f4': 4,
  '<f8': 8,
};

/** A type of elements that is read. */
export type NpyType = keyof typeof sizes;

/** The bytes of one element. */
export const sizeOf = (type: NpyType): number => sizes[type];

/** The first bytes of a file, in which the header ends. */
export const longestHeader = 4096;

/**
 * Reads the beginning of an npy file (numpy.lib.format): the magic, the version, the length of the header, the header as a
 * Python dictionary. The elements follow, in C order.
 *
 * @param bytes the file, or its first {@link longestHeader} bytes.
 * @param length of the whole file, in bytes.
 * @param what the name of the file, with which errors begin.
 * @throws InputError if it is no such file, is truncated, or holds what is not read here.
 */
export function parseNpy(bytes: Uint8Array, length: number, what: string): NpyHeader {
  const magic = [0x93, ...new TextEncoder().encode('NUMPY')];
  if (!magic.every((byte, i) => bytes[i] === byte)) {
    throw new InputError(`${what}: is no npy file; write it with numpy.save`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const major = bytes[6] ?? 0;
  const before = major === 1 ? 10 : 12;
  if (length < before) throw truncated(what, length, before);
  if (major < 1 || major > 3) {
    throw new InputError(
      `${what}: is of version ${major} of the npy format, must be 1 to 3; write it again with numpy.save`,
    );
  }
  const start = before + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (length < start) throw truncated(what, length, start);
  if (start > bytes.length)
    throw new InputError(`${what}: has a header of ${start} bytes; write it again with numpy.save`);
  const header = new TextDecoder().decode(bytes.subarray(before, start)).trim();
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const fortran = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const lengths = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (type === undefined || fortran === undefined || lengths === undefined) {
    throw new InputError(`${what}: has the header ${header.slice(0, 80)}; save a plain array of numbers`);
  }
  if (!isKnown(type)) {
    throw new InputError(
      `${what}: has elements of type ${type}; save them as uint8, or as float32 in 0..1, little-endian`,
    );
  }
  const shape = lengths
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (fortran === 'True' && shape.length > 1) {
    throw new InputError(`${what}: is in Fortran order; save numpy.ascontiguousarray(array)`);
  }
  const end = shape.reduce((size, along) => size * along, sizes[type]) + start;
  if (length < end) throw truncated(what, length, end);
  if (length > end)
    throw new InputError(`${what}: ${length - end} trailing bytes; write it again with numpy.save`);
  return { type, shape, start };
}

const isKnown = (type: string): type is NpyType => type in sizes;

const truncated = (what: string, length: number, end: number): InputError =>
  new InputError(`${what}: truncated: ${length} bytes, must be ${end}; restore the file`);

/** The elements of a file as numbers; integers of 64 bits are rounded. */
export function elementsOf(bytes: Uint8Array, { type, start }: NpyHeader): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start);
  const size = sizes[type];
  return Float64Array.from({ length: (bytes.byteLength - start) / size }, (_, i) =>
    readers[type](view, i * size),
  );
}

const readers: { readonly [T in NpyType]: (view: DataView, at: number) => number } = {
  '|u1': (view, at) => view.getUint8(at),
  '|i1': (view, at) => view.getInt8(at),
  '<u2': (view, at) => view.getUint16(at, true),
  '<i2': (view, at) => view.getInt16(at, true),
  '<u4': (view, at) => view.getUint32(at, true),
  '<i4': (view, at) => view.getInt32(at, true),
  '<u8': (view, at) => Number(view.getBigUint64(at, true)),
  '<i8': (view, at) => Number(view.getBigInt64(at, true)),
  '<f4': (view, at) => view.getFloat32(at, true),
  '<f8': (view, at) => view.getFloat64(at, true),
};
