import type { ImageSource } from './source.ts';

/** Images to train on and images to measure with. Both are of one size, and have the same classes. */
export interface Dataset {
  /** `mnist`, or the last part of the path. */
  readonly name: string;
  readonly train: ImageSource;
  readonly test: ImageSource;
  /** SHA-256, in hexadecimal, of all that it was read from. */
  readonly sha256: string;
}

/** A kind of data set that can be read. */
export interface Format {
  /** What a person names to have it, for messages: `'mnist'`, `a folder with ...`. */
  readonly expects: string;
  /**
   * Reads a data set.
   *
   * @param source a name or a path, as given with `--data`.
   * @returns null when `source` is nothing of this format.
   * @throws InputError when it is of this format and cannot be read.
   */
  readonly open: (source: string) => Promise<Dataset | null>;
}
