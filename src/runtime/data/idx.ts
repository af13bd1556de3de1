import { createHash, type Hash } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { ImageShape } from '../attacks/images.ts';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { mostClasses } from './classes.ts';
import type { Format, TrainingSet } from './dataset.ts';
import {
  elementsOf,
  gunzip,
  imageKind,
  isGzip,
  labelKind,
  longestHeader,
  parseHeader,
  type IdxHeader,
  type IdxKind,
} from './idx-file.ts';
import { batchOf, memory, numbered, storedSource, valuesOf, type ImageSource } from './source.ts';

/**
 * A folder with `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
 * `t10k-labels-idx1-ubyte`. Each is plain or compressed with the ending `.gz`, and has a dot or a hyphen before `idx`.
 * Colour images are in files called `idx4`, [count,channels,height,width]; labels may be `idx1-int`.
 */
export const idx: Format = {
  expects: 'a folder with train-images-idx3-ubyte and so on',
  options: [],
  open: (source) => openIdx(source),
};

/** Reads such a folder; null where there is none of its files. `most` bytes of a file are kept in memory. */
export async function openIdx(
  folder: string,
  name: string = basename(resolve(folder)),
  most: number = memory,
): Promise<TrainingSet | null> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  if (!entries.some((entry) => /^(train|t10k)-(images|labels)[-.]idx\d/.test(entry.name))) return null;
  const sha256 = createHash('sha256');
  const read = async (stem: string, kind: IdxKind, endings: readonly string[]): Promise<IdxFile> =>
    await readIdx(join(folder, findFile(entries, stem, endings, folder)), kind, most, sha256);
  const half = async (part: string): Promise<Half> => {
    const images = await read(`${part}-images`, imageKind, ['idx3-ubyte', 'idx4-ubyte']);
    const labels = await read(`${part}-labels`, labelKind, labelEndings);
    return { images, shape: shapeOf(images), labels: labelsOf(labels, images) };
  };
  const [train, test] = [await half('train'), await half('t10k')];
  refuseOthers(train, test);
  const last = Math.max(...[train, test].map(({ labels }) => labels.reduce((a, b) => Math.max(a, b), 0)));
  const classes = numbered(last + 1);
  const about = { name, classes, sha256: sha256.digest('hex') };
  return {
    name,
    sha256: about.sha256,
    train: sourceOf(about, train),
    test: sourceOf(about, test),
  };
}

const labelEndings = ['idx1-ubyte', 'idx1-byte', 'idx1-short', 'idx1-int'];

interface IdxFile {
  readonly path: string;
  readonly header: IdxHeader;
  /** The whole file; null where it is too large for memory. */
  readonly bytes: Uint8Array | null;
}

/** The images and labels of one part. */
interface Half {
  readonly images: IdxFile;
  readonly shape: ImageShape;
  readonly labels: Int32Array;
}

function sourceOf(
  about: Pick<ImageSource, 'name' | 'classes' | 'sha256'>,
  { images: { path, header, bytes }, shape, labels }: Half,
): ImageSource {
  if (bytes) {
    const { buffer, byteOffset, byteLength } = bytes;
    const images = new Uint8Array(buffer, byteOffset + header.start, byteLength - header.start);
    return storedSource({ ...about, shape }, { images, labels });
  }
  const read: ImageSource['read'] = async (indices) => {
    const size = valuesOf(shape);
    const images = new Uint8Array(indices.length * size);
    const file = await open(path).catch(failed(path));
    try {
      for (let i = 0; i < indices.length; i++) {
        const at = { length: size, position: header.start + indices[i]! * size };
        const { bytesRead } = await file.read(images, { offset: i * size, ...at }).catch(failed(path));
        if (bytesRead < size)
          throw new InputError(`${path}: ends before image ${indices[i]}; restore the file`);
      }
    } finally {
      await file.close();
    }
    return batchOf(
      images,
      Int32Array.from(indices, (index) => labels[index]!),
      shape,
    );
  };
  return { ...about, shape, count: labels.length, read };
}

const failed =
  (path: string) =>
  (error: unknown): never => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  };

/** Reads a file, or the beginning of one that is too large; what it holds, uncompressed, goes into the hash. */
async function readIdx(path: string, kind: IdxKind, most: number, sha256: Hash): Promise<IdxFile> {
  const { size } = await stat(path).catch(failed(path));
  if (size <= most) {
    const found = await readFile(path).catch(failed(path));
    const bytes = isGzip(found) ? gunzip(found, most, path) : found;
    sha256.update(bytes);
    return { path, header: parseHeader(bytes, bytes.length, kind, path), bytes };
  }
  const beginning = new Uint8Array(longestHeader);
  const file = await open(path).catch(failed(path));
  try {
    await file.read(beginning, { position: 0 }).catch(failed(path));
  } finally {
    await file.close();
  }
  if (isGzip(beginning)) {
    throw new InputError(`${path}: holds more than ${most} bytes; unpack it with gunzip first`);
  }
  const header = parseHeader(beginning, size, kind, path);
  for await (const chunk of createReadStream(path)) sha256.update(chunk as Uint8Array);
  return { path, header, bytes: null };
}

/** Archives unpack some of these files into folders of the same name: a folder does not hide the file beside it. */
function findFile(
  entries: readonly Dirent[],
  stem: string,
  endings: readonly string[],
  folder: string,
): string {
  const names = endings.map((ending) => `${stem}-${ending}`);
  const spellings = names.flatMap((name) => {
    const dotted = name.replace('-idx', '.idx');
    return [name, dotted, `${name}.gz`, `${dotted}.gz`];
  });
  const found = spellings.find((spelling) =>
    entries.some((entry) => entry.name === spelling && !entry.isDirectory()),
  );
  if (found !== undefined) return found;
  const within = spellings.find((spelling) => entries.some((entry) => entry.name === spelling));
  const [name] = names;
  throw new InputError(
    within === undefined
      ? `the data set ${folder} has no ${name}; put the file there, plain or as ${name}.gz`
      : `the data set ${folder} has no file ${name}, only a folder ${within}; move the file out of it`,
  );
}

/** The size of the images in a file: [count,height,width] are grey. */
function shapeOf({ path, header: { shape } }: IdxFile): ImageShape {
  const [count = 0, ...rest] = shape;
  if (count === 0) throw new InputError(`${path}: has no images; at least one is needed`);
  const [channels, height, width] = (rest.length === 2 ? [1, ...rest] : rest) as [number, number, number];
  if ((channels !== 1 && channels !== 3) || height === 0 || width === 0) {
    throw new InputError(
      `${path}: images must be [count,height,width] or [count,channels,height,width] with 1 or 3 channels, ` +
        `got [${shape.join()}]; transpose them`,
    );
  }
  return { channels, height, width };
}

function labelsOf({ path, header, bytes }: IdxFile, images: IdxFile): Int32Array {
  const [count] = images.header.shape;
  if (!bytes) throw new InputError(`${path}: has more labels than fit in memory; split the data set`);
  const labels = elementsOf(bytes, header);
  if (labels.length !== count) {
    throw new InputError(
      `${path}: ${labels.length} labels for the ${count} images of ${images.path}; there must be as many`,
    );
  }
  const wrong = labels.findIndex((label) => label < 0 || label >= mostClasses);
  if (wrong !== -1) {
    throw new InputError(
      `${path}: labels must be 0..${mostClasses - 1}, got ${labels[wrong]} for image ${wrong}; relabel it`,
    );
  }
  return labels;
}

function refuseOthers(train: Half, test: Half): void {
  const [one, other] = [train, test].map(({ shape: { channels, height, width } }) =>
    [channels, height, width].join('x'),
  );
  if (one === other) return;
  throw new InputError(
    `${test.images.path}: images of ${other} (channels x height x width), those of ${train.images.path} are ${one}; ` +
      'make them the same size',
  );
}
