/**
 * What the demo shows besides the models: written by `sparring demo` as `demo.json` beside the page, and served under
 * that name by `sparring serve`. Bytes and float32 values (little-endian) are in base64.
 */
export interface DemoData {
  readonly schema: 1;
  readonly version: string;
  /** Address of the project's repository, as package.json has it; null when it has none. */
  readonly repository: string | null;
  /** Test images of the run's own data set; null when they are not at hand. */
  readonly samples: DemoSamples | null;
  /** Why there are no samples, in one sentence; null when there are. */
  readonly noSamples: string | null;
  /** A result computed in advance, which the page shows while it loads; null without samples. */
  readonly first: FirstResult | null;
  /** By the folder of a cell: the class that its attacker makes C1 read most often. Empty without samples. */
  readonly favourites: Readonly<Record<string, Favourite>>;
}

/** Some test images of each class, class by class. */
export interface DemoSamples {
  /** `mnist`, whatever the folder was called, or the last part of the folder's path. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly classes: number;
  /** Of each image; 1 when absent. */
  readonly channels?: number;
  /** Where each stands in the test set. */
  readonly indices: readonly number[];
  /** Its class. */
  readonly labels: readonly number[];
  /** `channels * width * height` bytes each, channel by channel, row by row. */
  readonly pixels: string;
}

/** What the attacker of a cell does to one sample, at the cell's own eps and clipping. */
export interface FirstResult {
  /** The cell's folder. */
  readonly folder: string;
  /** The sample's place in the test set. */
  readonly index: number;
  /** SHA-256 of the attacker that made it. */
  readonly attacker: string;
  /** float32, one value for each pixel. */
  readonly perturbation: string;
  /** By SHA-256 of the classifier: probabilities before and after the attack. */
  readonly predictions: Readonly<
    Record<string, { readonly before: readonly number[]; readonly after: readonly number[] }>
  >;
}

/** Of `images` attacked samples, C1 reads `count` as class `label`. */
export interface Favourite {
  readonly label: number;
  readonly count: number;
  readonly images: number;
}

/** Bytes of text in base64. */
export const toBase64 = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

/** The bytes that base64 text holds. */
export const fromBase64 = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
