import { createHash } from 'node:crypto';
import { open, readFile, stat, type FileHandle } from 'node:fs/promises';
import type { ImageShape } from '../attacks/images.ts';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { float32 } from '../tensor.ts';
import { elementsOf, longestHeader, parseNpy, sizeOf, type NpyHeader } from './npy-file.ts';
import { labelsTensor, storedSource, valuesOf, type About, type ImageSource } from './source.ts';

/** Images in an npy file. */
export interface ImageArray {
  /** The file, with which errors begin. */
  readonly what: string;
  readonly header: NpyHeader;
  readonly count: number;
  readonly shape: ImageShape;
  /** Whether the channels of a pixel stand side by side: [count, height, width, channels]. */
  readonly channelsLast: boolean;
  /** SHA-256, in hexadecimal, of the file. */
  readonly sha256: string;
  /** The file in memory, or its path where it is too large. */
  readonly file: Uint8Array | string;
}

/**
 * Opens images: unsigned bytes, 0 to 255, or floats in 0..1, [count,height,width], [count,height,width,channels] or
 * [count,channels,height,width].
 *
 * @param file the file in memory, or its path. Where it has more than `most` bytes, it stays on the disk.
 * @param wanted which of the two orders a shape is, where it could be both.
 * @throws InputError when these are no images, or a value is outside 0..1.
 */
export async function openImageArray(
  file: Uint8Array | string,
  what: string,
  wanted: ImageShape | undefined,
  most: number,
): Promise<ImageArray> {
  const inMemory = typeof file === 'string' && (await sizeOnDisk(file)) <= most ? await readAll(file) : file;
  const header =
    typeof inMemory === 'string'
      ? await withFile(inMemory, async (handle) => {
          const beginning = new Uint8Array(longestHeader);
          const { bytesRead } = await handle.read(beginning, { position: 0 });
          return parseNpy(beginning.subarray(0, bytesRead), (await handle.stat()).size, what);
        })
      : parseNpy(inMemory, inMemory.length, what);
  const array = { what, header, file: inMemory, ...orderOf(header, what, wanted) };
  return { ...array, sha256: await checked(array) };
}

/** Images and labels as a source. There are as many labels as images. */
export function sourceOf(array: ImageArray, labels: Int32Array, about: Omit<About, 'shape'>): ImageSource {
  const { file, header, count, shape } = array;
  if (typeof file !== 'string' && header.type === '|u1') {
    const { buffer, byteOffset, byteLength } = file;
    const pixels = new Uint8Array(buffer, byteOffset + header.start, byteLength - header.start);
    const images = array.channelsLast ? toPlanes(pixels, array, new Uint8Array(pixels.length)) : pixels;
    return storedSource({ ...about, shape }, { images, labels });
  }
  return {
    ...about,
    shape,
    count,
    read: async (indices) => {
      const size = valuesOf(shape);
      const values = new Float32Array(indices.length * size);
      await eachPart(array, Array.from(indices), (bytes, i) => {
        toPlanes(valuesIn(bytes, array), array, values.subarray(i * size, (i + 1) * size));
      });
      return {
        image: float32([indices.length, shape.channels, shape.height, shape.width], values),
        label: labelsTensor(Int32Array.from(indices, (index) => labels[index]!)),
      };
    },
  };
}

type Layout = Pick<ImageArray, 'count' | 'shape' | 'channelsLast'>;

const isColours = (length: number): boolean => length === 1 || length === 3;

function orderOf({ type, shape: lengths }: NpyHeader, what: string, wanted: ImageShape | undefined): Layout {
  if (!['|u1', '<f4', '<f8'].includes(type)) {
    throw new InputError(
      `${what}: images are of type ${type}, must be uint8 (0..255) or float32 (0..1); convert them with astype`,
    );
  }
  const [count = 0, a = 0, b = 0, c = 0] = lengths;
  if (lengths[0] === 0) throw new InputError(`${what}: holds no images; at least one is needed`);
  const layouts: Layout[] = [];
  if (lengths.length === 3) {
    layouts.push({ count, shape: { channels: 1, height: a, width: b }, channelsLast: false });
  } else if (lengths.length === 4) {
    if (isColours(a))
      layouts.push({ count, shape: { channels: a, height: b, width: c }, channelsLast: false });
    if (isColours(c))
      layouts.push({ count, shape: { channels: c, height: a, width: b }, channelsLast: true });
  }
  if (layouts.length === 0 || lengths.includes(0)) {
    throw new InputError(
      `${what}: images are [${lengths.join()}], must be [count,height,width], [count,height,width,channels] or ` +
        '[count,channels,height,width] with 1 or 3 channels; transpose or reshape them',
    );
  }
  const fitting = layouts.filter(
    ({ shape: { channels, height, width } }) =>
      wanted?.channels === channels && wanted.height === height && wanted.width === width,
  );
  const [one, other] = fitting.length > 0 ? fitting : layouts;
  if (other) {
    throw new InputError(
      `${what}: images are [${lengths.join()}], whose channels may be first or last; give the size that the ` +
        'classifier takes, or transpose them to [count,channels,height,width]',
    );
  }
  return one!;
}

/** The values of an image in the order in which the file has them, in 0..1. */
function valuesIn(bytes: Uint8Array, { header }: Pick<ImageArray, 'header'>): Float32Array {
  if (header.type === '|u1') return Float32Array.from(bytes, (byte) => byte / 255);
  return Float32Array.from(elementsOf(bytes, { ...header, start: 0 }));
}

/** Writes images with a plane for each channel into `to`, which is as long. */
function toPlanes<Values extends Uint8Array | Float32Array>(
  from: Values,
  { shape: { channels, height, width }, channelsLast }: Layout,
  to: Values,
): Values {
  const pixels = height * width;
  if (!channelsLast) to.set(from);
  else {
    for (let start = 0; start < from.length; start += channels * pixels) {
      for (let pixel = 0; pixel < pixels; pixel++) {
        for (let c = 0; c < channels; c++) {
          to[start + c * pixels + pixel] = from[start + pixel * channels + c]!;
        }
      }
    }
  }
  return to;
}

/** Looks at every value, and gives the hash of the file. */
async function checked(array: Omit<ImageArray, 'sha256'>): Promise<string> {
  const { file, header, what, count } = array;
  const hash = createHash('sha256');
  if (typeof file === 'string') {
    const beginning = new Uint8Array(header.start);
    await withFile(file, (handle) => handle.read(beginning, { position: 0 }));
    hash.update(beginning);
  } else hash.update(file);
  await eachPart(
    array,
    Array.from({ length: count }, (_, i) => i),
    (bytes, i) => {
      if (typeof file === 'string') hash.update(bytes);
      if (header.type === '|u1') return;
      const odd = valuesIn(bytes, array).find((value) => !(value >= 0 && value <= 1));
      if (odd === undefined) return;
      throw new InputError(
        `${what}: values must be in 0..1, got ${odd} in image ${i}; scale them to 0..1, or save them as uint8`,
      );
    },
  );
  return hash.digest('hex');
}

/** The bytes of some images, one after another. */
async function eachPart(
  { file, header, shape, what }: Omit<ImageArray, 'sha256'>,
  indices: readonly number[],
  use: (bytes: Uint8Array, i: number) => void,
): Promise<void> {
  const size = valuesOf(shape) * sizeOf(header.type);
  const position = (index: number): number => header.start + index * size;
  if (typeof file !== 'string') {
    for (const [i, index] of indices.entries())
      use(file.subarray(position(index), position(index) + size), i);
    return;
  }
  await withFile(file, async (handle) => {
    for (const [i, index] of indices.entries()) {
      const bytes = new Uint8Array(size);
      const { bytesRead } = await handle.read(bytes, { position: position(index) });
      if (bytesRead < size) throw new InputError(`${what}: ends before image ${index}; restore the file`);
      use(bytes, i);
    }
  });
}

const failed = (path: string, error: unknown): InputError =>
  error instanceof InputError
    ? error
    : new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  try {
    const file = await open(path);
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw failed(path, error);
  }
}

const sizeOnDisk = async (path: string): Promise<number> =>
  (await stat(path).catch((error: unknown) => Promise.reject(failed(path, error)))).size;

/** A whole file. Throws InputError when it cannot be read. */
export const readAll = (path: string): Promise<Uint8Array> =>
  readFile(path).catch((error: unknown) => Promise.reject(failed(path, error)));
