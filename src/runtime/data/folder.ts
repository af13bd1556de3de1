import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { ImageShape } from '../attacks/images.ts';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { spread, type Choice } from './chosen.ts';
import { nameClasses, type Naming } from './classes.ts';
import { datasetOf, type Dataset, type Format, type Wanted } from './dataset.ts';
import { checkFit, fitPicture, type FitOptions } from './fit.ts';
import { foldersIn, listFolder, type FolderFiles } from './folder-files.ts';
import { inParallel } from './in-parallel.ts';
import { decodePicture } from './picture.ts';
import { batchOf, memory, storedSource, valuesOf, type ImageSource, type Skipped } from './source.ts';

/**
 * A folder of pictures: one folder a class, or pictures with a file of labels, or pictures alone, whose labels are then
 * unknown. It may have the two parts `train` and `test` (or `val`, `validation`), each such a folder.
 *
 * Without a seed, pictures come one of each class in turn, so that the first of them are of all classes. The hash is that of one line a
 * picture: the SHA-256 of the file, its name and its label.
 */
export const folder: Format = {
  expects: 'a folder of PNG, JPEG or WebP pictures, one folder a class',
  options: ['labels', 'resize', 'crop', 'interpolation', 'onBad'],
  open: (source, wanted) => openFolder(source, wanted),
};

/** Reads such a folder; null where there is none. Up to `most` bytes of pixels are kept in memory. */
export async function openFolder(
  source: string,
  wanted: Wanted,
  most: number = memory,
): Promise<Dataset | null> {
  const found = await stat(source).catch(() => null);
  if (!found?.isDirectory()) return null;
  const parts = wanted.labels === undefined ? await partsOf(source) : { test: source, train: null };
  const test = await listFolder(parts.test, wanted.labels);
  const train = wanted.train && parts.train !== null ? await listFolder(parts.train, undefined) : null;
  if (test.files.length === 0) {
    if (parts.train === null) return null;
    throw new InputError(`${parts.test}: has no picture; put PNG, JPEG or WebP files there`);
  }
  const fit = fitOf(wanted);
  if (wanted.shape) checkFit(wanted.shape, fit);
  else if (Object.keys(fit).length > 0) {
    throw new InputError(
      `${Object.keys(fit).join(' and ')} need the shape of the images; give it, or leave them out`,
    );
  }
  const names = [...test.classes, ...(train?.classes ?? [])];
  const naming = nameClasses(names, wanted.classes, source);
  const read = async (files: FolderFiles, shape?: ImageShape): Promise<ImageSource> =>
    await readPart(
      basename(resolve(source)),
      files,
      naming,
      { ...wanted, ...(shape && { shape }) },
      fit,
      most,
    );
  const tests = await read(test, wanted.shape);
  return datasetOf(tests, train && (await read(train, tests.shape)));
}

/** How pictures become images: as was asked, else as is usual for the classifier. */
function fitOf({ pictures, resize, crop, interpolation }: Wanted): FitOptions {
  return {
    ...(crop === undefined ? pictures : pictures?.interpolation && { interpolation: pictures.interpolation }),
    ...(resize !== undefined && { resize }),
    ...(crop !== undefined && { crop }),
    ...(interpolation && { interpolation }),
  };
}

const testNames = ['test', 'val', 'validation'];

/** The folders of the two parts, where a folder has no others. */
async function partsOf(source: string): Promise<{ readonly test: string; readonly train: string | null }> {
  const folders = await foldersIn(source);
  const test = testNames.find((name) => folders.includes(name));
  const train = folders.includes('train');
  const others = folders.some((name) => name !== 'train' && !testNames.includes(name));
  if (others || (!train && test === undefined)) return { test: source, train: null };
  if (test === undefined) {
    throw new InputError(
      `${source}: has train, but neither test nor val; name ${join(source, 'train')} itself`,
    );
  }
  return { test: join(source, test), train: train ? join(source, 'train') : null };
}

/** A file that was read, or why it could not be. */
type Outcome = { readonly pixels: Uint8Array; readonly sha256: string } | { readonly reason: string };

/** Pictures that are read and decoded at a time. */
const atATime = 4;

/** Pictures that an error names; no more are then looked for. */
const mostNamed = 10;

async function readPart(
  name: string,
  { folder, files }: FolderFiles,
  naming: Naming,
  wanted: Wanted,
  fit: FitOptions,
  most: number,
): Promise<ImageSource> {
  const chosen = chosenFiles(files, wanted);
  const shape = wanted.shape ?? (await shapeOfFirst(folder, chosen));
  const options = wanted.shape ? fit : null;
  const readOne = (file: string): Promise<Outcome> => readPicture(join(folder, file), shape, options);

  const size = valuesOf(shape);
  const images = chosen.length * size <= most ? new Uint8Array(chosen.length * size) : null;
  const read: { readonly file: string; readonly label: number; readonly sha256: string }[] = [];
  const skipped: Skipped[] = [];
  const hash = createHash('sha256');
  let at = 0;
  for await (const outcome of inParallel(chosen, atATime, ({ file }) => readOne(file))) {
    const { file, label: called } = chosen[at++]!;
    if ('reason' in outcome) {
      skipped.push({ name: file, reason: outcome.reason });
      if (wanted.onBad !== 'skip' && skipped.length === mostNamed) break;
      continue;
    }
    images?.set(outcome.pixels, read.length * size);
    const label = called === null ? -1 : naming.labelOf.get(called)!;
    hash.update(`${outcome.sha256} ${file} ${label}\n`);
    read.push({ file, label, sha256: outcome.sha256 });
  }
  if (read.length === 0 || (wanted.onBad !== 'skip' && skipped.length > 0)) throw bad(folder, skipped);

  const labels = Int32Array.from(read, ({ label }) => label);
  const about = {
    name,
    shape,
    classes: naming.classes,
    sha256: hash.digest('hex'),
    names: read.map(({ file }) => file),
    total: files.length,
    ...(files[0]!.label === null && { labels: 'unknown' as const }),
    ...(skipped.length > 0 && { skipped }),
  };
  if (images) return storedSource(about, { images: images.subarray(0, read.length * size), labels });
  return {
    ...about,
    count: read.length,
    read: async (indices) => {
      const pixels = new Uint8Array(indices.length * size);
      const wantedFiles = Array.from(indices, (index) => read[index]!);
      let i = 0;
      for await (const outcome of inParallel(wantedFiles, atATime, ({ file }) => readOne(file))) {
        const { file, sha256 } = wantedFiles[i]!;
        if ('reason' in outcome) throw new InputError(`${join(folder, file)} ${outcome.reason}`);
        if (outcome.sha256 !== sha256) {
          throw new InputError(`${join(folder, file)} has changed since it was first read; restore it`);
        }
        pixels.set(outcome.pixels, i++ * size);
      }
      return batchOf(
        pixels,
        Int32Array.from(indices, (index) => labels[index]!),
        shape,
      );
    },
  };
}

/** @param options null where pictures must have the size and the colours of `shape`. */
async function readPicture(path: string, shape: ImageShape, options: FitOptions | null): Promise<Outcome> {
  try {
    const bytes = await readBytes(path);
    const picture = await decodePicture(bytes);
    if (!options) {
      const [own, first] = [sizeText({ ...picture, channels: picture.grey ? 1 : 3 }), sizeText(shape)];
      if (own !== first) return { reason: `is ${own}, the first picture is ${first}; make them alike` };
    }
    const pixels = fitPicture(picture, shape, options ?? {});
    return { pixels, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

const readBytes = (path: string): Promise<Uint8Array> =>
  readFile(path).catch((error: unknown) => {
    throw new Error(describeFsError(error, 'cannot be read'), { cause: error });
  });

/** The size of the first picture that can be decoded. */
async function shapeOfFirst(folder: string, files: FolderFiles['files']): Promise<ImageShape> {
  const failures: Skipped[] = [];
  for (const { file } of files) {
    try {
      const { width, height, grey } = await decodePicture(await readBytes(join(folder, file)));
      return { channels: grey ? 1 : 3, height, width };
    } catch (error) {
      failures.push({ name: file, reason: (error as Error).message });
    }
  }
  throw bad(folder, failures);
}

function bad(folder: string, skipped: readonly Skipped[]): InputError {
  const named = skipped.slice(0, mostNamed).map(({ name, reason }) => `${name} ${reason}`);
  const all = skipped.length < mostNamed ? '' : ' (and maybe more)';
  return new InputError(
    `${folder}: ${skipped.length === 1 ? 'a picture' : `${skipped.length} pictures`} cannot be used: ` +
      `${named.join(', ')}${all}; repair or remove what is named, or skip what is bad`,
  );
}

const sizeText = ({ channels, height, width }: ImageShape): string =>
  `${channels}x${height}x${width} (channels x height x width)`;

/** The files to read, in their order. */
function chosenFiles(files: FolderFiles['files'], { count, seed }: Choice): FolderFiles['files'] {
  if (seed === undefined) return oneOfEachInTurn(files).slice(0, count);
  const numbers = new Map([...new Set(files.map(({ label }) => label))].map((label, i) => [label, i]));
  const labels = Int32Array.from(files, ({ label }) => numbers.get(label)!);
  return Array.from(spread(labels, seed).subarray(0, count), (place) => files[place]!);
}

/** The first file of each class, then the second of each, and so on. */
function oneOfEachInTurn(files: FolderFiles['files']): FolderFiles['files'] {
  const turns = new Map<string | null, number>();
  return files
    .map((file) => {
      const turn = turns.get(file.label) ?? 0;
      turns.set(file.label, turn + 1);
      return { file, turn };
    })
    .toSorted((a, b) => a.turn - b.turn)
    .map(({ file }) => file);
}
