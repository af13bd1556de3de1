import { stat } from 'node:fs/promises';
import { InputError } from '../errors.ts';
import { describeFsError } from '../files.ts';
import { chosenOf } from './chosen.ts';
import { cifar } from './cifar.ts';
import {
  formatOptions,
  type Dataset,
  type Format,
  type ImageOptions,
  type TrainingSet,
  type Wanted,
} from './dataset.ts';
import { folder } from './folder.ts';
import { idx } from './idx.ts';
import { mnist } from './mnist.ts';
import { npy } from './npy.ts';
import { numbered, type ImageSource } from './source.ts';

/** The formats of data sets, in the order in which they are tried. */
export const formats = { mnist, idx, cifar, npy, folder } as const satisfies Readonly<Record<string, Format>>;

/** What may be given as a data set, for messages and help. */
export const expectedData: string = new Intl.ListFormat('en', { type: 'disjunction' }).format(
  Object.values(formats).map(({ expects }) => expects),
);

/**
 * Reads a data set of any format, with images to train on and images to measure with.
 *
 * @param source a name that a format knows, such as `mnist`, or a path.
 * @throws InputError if there is none, it has only one part or no labels, or it is damaged.
 */
export async function loadDataset(source: string, options: ImageOptions = {}): Promise<TrainingSet> {
  const { train, ...dataset } = await openDataset(source, { ...options, train: true });
  if (!train) {
    throw new InputError(
      `${source}: has no images to train on; name a data set with both parts, such as train and test`,
    );
  }
  if ([train, dataset.test].some(({ labels }) => labels === 'unknown')) {
    throw new InputError(
      `${source}: has no labels, which training needs; put the pictures into a folder for each class`,
    );
  }
  return { ...dataset, train };
}

/**
 * Opens the images to measure a classifier with: the test images of a data set that has two parts, else all of it. Where
 * they have no labels, `labels` of the source says so.
 *
 * @param source a name that a format knows, such as `mnist`, or a path.
 * @throws InputError if there is none, it is damaged, or its images or classes are not the classifier's.
 */
export async function openImages(source: string, options: ImageOptions = {}): Promise<ImageSource> {
  return (await openDataset(source, { ...options, train: false })).test;
}

/**
 * Reads a data set of any format: the images to measure with, and those to train on where there are any and they are
 * wanted.
 *
 * @param source a name that a format knows, such as `mnist`, or a path.
 * @throws InputError if there is none, it is damaged, or its images or classes are not the classifier's.
 */
export async function openDataset(source: string, wanted: Wanted): Promise<Dataset> {
  checkChoice(wanted);
  for (const format of Object.values(formats)) {
    const dataset = await format.open(source, wanted);
    if (!dataset) continue;
    const other = formatOptions.find(
      (name) => wanted[name] !== undefined && !format.options.some((own) => own === name),
    );
    if (other !== undefined)
      throw new InputError(`${source}: ${other} does not go with this data set; leave it out`);
    const suited = async (part: ImageSource): Promise<ImageSource> => {
      // what has a total was chosen before it was read
      const chosen = part.total === undefined ? await chosenOf(part, wanted) : part;
      return { total: part.count, ...suit(chosen, source, wanted) };
    };
    const { test, train } = dataset;
    return { ...dataset, test: await suited(test), train: train && (await suited(train)) };
  }
  await stat(source).catch((error: unknown) => {
    const problem = describeFsError(error, `cannot read the data set ${source}`);
    throw new InputError(`${problem} (expected ${expectedData})`, { cause: error });
  });
  throw new InputError(`${source} holds no data set of a known format; expected ${expectedData}`);
}

function checkChoice({ count = 1, seed = 0 }: ImageOptions): void {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InputError(`count must be a positive integer, got ${count}`);
  }
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new InputError(`seed must be an integer from 0 on, got ${seed}`);
}

/** The images, once they are known to be what the classifier takes. */
function suit(images: ImageSource, source: string, { shape, classes }: ImageOptions): ImageSource {
  const [wanted, found] = [shape ?? images.shape, images.shape].map(({ channels, height, width }) =>
    [channels, height, width].join('x'),
  );
  if (wanted !== found) {
    const isGrey = wanted!.replace(/^3x/, '1x') === found;
    const wayOut = isGrey
      ? 'open the classifier with channels grey (--channels grey), which gives it the grey image three times'
      : 'resize them, or give them as a folder of pictures, which are resized';
    throw new InputError(
      `${source}: images of ${found} (channels x height x width), the classifier takes ${wanted}; ${wayOut}`,
    );
  }
  const names = typeof classes === 'number' ? numbered(classes) : classes;
  if (!names) return images;
  if (images.classes.length > names.length) {
    throw new InputError(
      `${source}: has ${images.classes.length} classes, the classifier has ${names.length}; name data of its classes`,
    );
  }
  // numbers are no names: the classifier may have better ones
  const unnamed = images.classes.every((name, label) => name === String(label));
  return unnamed ? { ...images, classes: names } : images;
}
