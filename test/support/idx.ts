import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ImageShape } from '../../src/runtime/attacks/images.ts';
import { storedSource, type StoredSource } from '../../src/runtime/data/source.ts';
import { digits } from '../../src/runtime/experiment/digits.ts';

/** Labelled images, before they are written as IDX files. */
export interface Examples {
  /** `[count, height, width]`, row-major, 0..255. */
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  /** 28 when left out. */
  readonly height?: number;
  /** 28 when left out. */
  readonly width?: number;
}

/**
 * Made-up 28x28 images of the ten classes in turn, each class a bright square at a place of its own over a dim
 * pattern that differs from image to image: easy to learn, and the same at each call.
 */
export function examples(count: number): Examples {
  const images = new Uint8Array(count * 784);
  const labels = Uint8Array.from({ length: count }, (_, index) => index % 10);
  for (const [index, label] of labels.entries()) {
    const top = 2 + 13 * Math.floor(label / 5);
    const left = 1 + 5 * (label % 5);
    for (let pixel = 0; pixel < 784; pixel++) {
      const row = Math.floor(pixel / 28) - top;
      const column = (pixel % 28) - left;
      const inside = row >= 0 && row < 10 && column >= 0 && column < 5;
      images[index * 784 + pixel] = inside ? 230 : (index * 31 + pixel * 17) % 40;
    }
  }
  return { images, labels };
}

/** Made-up images in memory. */
export const sourceOf = (
  { images, labels }: { readonly images: Uint8Array; readonly labels: ArrayLike<number> },
  shape: ImageShape = digits.image,
  classes: number = digits.classes,
): StoredSource =>
  storedSource(
    {
      name: 'examples',
      shape,
      classes: Array.from({ length: classes }, (_, label) => String(label)),
      sha256: '',
    },
    { images, labels: Int32Array.from(labels) },
  );

/**
 * An IDX file; `data` may be of another length than `shape` says, to make a broken file.
 *
 * @param type the code of its element type: unsigned bytes, unless said otherwise.
 */
export function encodeIdx(
  shape: readonly number[],
  data: Uint8Array | Int8Array | Int16Array | Int32Array,
  type: number = 0x08,
): Uint8Array {
  const start = 4 + 4 * shape.length;
  const bytes = new Uint8Array(start + data.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, (type << 8) | shape.length);
  for (const [axis, length] of shape.entries()) view.setUint32(4 + 4 * axis, length);
  for (const [i, value] of data.entries()) {
    if (data.BYTES_PER_ELEMENT === 4) view.setInt32(start + 4 * i, value);
    else if (data.BYTES_PER_ELEMENT === 2) view.setInt16(start + 2 * i, value);
    else bytes[start + i] = value;
  }
  return bytes;
}

/** Writes the four files of a data set into `dir`, which is made if need be; with `gzip`, as `.gz` files. */
export async function writeIdxFolder(
  dir: string,
  { train, test }: { readonly train: Examples; readonly test: Examples },
  { gzip = false }: { readonly gzip?: boolean } = {},
): Promise<void> {
  await mkdir(dir, { recursive: true });
  const write = async (name: string, bytes: Uint8Array): Promise<void> =>
    await writeFile(join(dir, gzip ? `${name}.gz` : name), gzip ? gzipSync(bytes) : bytes);
  for (const [prefix, { images, labels, height = 28, width = 28 }] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const count = images.length / (height * width);
    await write(`${prefix}-images-idx3-ubyte`, encodeIdx([count, height, width], images));
    await write(`${prefix}-labels-idx1-ubyte`, encodeIdx([labels.length], labels));
  }
}
