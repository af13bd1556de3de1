import { createHash } from 'node:crypto';
import type { ImageShape } from '../attacks/images.ts';
import type { Choice } from './chosen.ts';
import type { FitOptions } from './fit.ts';
import type { ImageSource } from './source.ts';

/** Images to measure with, and images to train on where there are any. Both are of one size, and have the same classes. */
export interface Dataset {
  /** `mnist`, or the last part of the path. */
  readonly name: string;
  /** Null where there are none, or nobody asked for them. */
  readonly train: ImageSource | null;
  readonly test: ImageSource;
  /** SHA-256, in hexadecimal, of all that it was read from. */
  readonly sha256: string;
}

/** A data set with both parts. */
export interface TrainingSet extends Dataset {
  readonly train: ImageSource;
}

/** What a classifier needs of its images, and how they are read. */
export interface ImageOptions extends Choice, FitOptions {
  /**
   * The size of image that the classifier takes. A folder of pictures is resized to it, and other data must have it. Left
   * out, it is that of the data, whose pictures must then be all alike.
   */
  readonly shape?: ImageShape;
  /** The names of the classifier's classes, or how many it has: a label is a place among them. */
  readonly classes?: readonly string[] | number;
  /**
   * How pictures become images where `resize`, `crop` and `interpolation` do not say it: `pictures` of a classifier, which
   * is what lies beside its file. Other data have no use for it.
   */
  readonly pictures?: FitOptions | null;
  /** A file of labels: CSV or JSON for a folder of pictures, npy for an npy file. */
  readonly labels?: string;
  /** What to do where a picture cannot be read: `reject` the data set, or `skip` the picture. Default `reject`. */
  readonly onBad?: 'reject' | 'skip';
}

/** What a format is asked for. */
export interface Wanted extends ImageOptions {
  /** Whether the images to train on are wanted, too. */
  readonly train: boolean;
}

/** A kind of data set that can be read. */
export interface Format {
  /** What a person names to have it, for messages: `'mnist'`, `a folder with ...`. */
  readonly expects: string;
  /** Which of the options that only some formats have. */
  readonly options: readonly FormatOption[];
  /**
   * Reads a data set.
   *
   * @param source a name or a path, as given with `--data`.
   * @returns null when `source` is nothing of this format.
   * @throws InputError when it is of this format and cannot be read.
   */
  readonly open: (source: string, wanted: Wanted) => Promise<Dataset | null>;
}

/** Options that only some formats have. */
export const formatOptions = ['labels', 'resize', 'crop', 'interpolation', 'onBad'] as const;
/** One of {@link formatOptions}. */
export type FormatOption = (typeof formatOptions)[number];

/** A data set of parts that were hashed each by itself. */
export function datasetOf(test: ImageSource, train: ImageSource | null): Dataset {
  const sha256 = train
    ? createHash('sha256').update(`${train.sha256}\n${test.sha256}\n`).digest('hex')
    : test.sha256;
  return { name: test.name, train, test, sha256 };
}
