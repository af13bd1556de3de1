import type { Classifier, ClassifierFile } from '../models/classifier/classifier.ts';
import type { AdoptOptions, Beside } from '../models/classifier/options.ts';
import { hasGraph, readClassifier, type ReadOptions } from '../models/classifier/read.ts';
import { describeModel } from '../onnx/index.ts';
import { gradientLack } from '../runtime/audit/classifier-checks.ts';
import type { ImageOptions } from '../runtime/data/dataset.ts';
import { InputError } from '../runtime/errors.ts';
import type { ExternalFiles } from '../runtime/session.ts';
import { fromFiles, type Files } from './parting.ts';
import type { Platform } from './platform.ts';

/** How a classifier's file is read, where the file alone does not say. */
export interface LoadOptions extends AdoptOptions {
  /**
   * The bytes of the files that weights lie in, by the names that the model gives them. Where a model is opened from its
   * path or URL, they are read from beside it.
   */
  readonly external?: ExternalFiles;
}

/** A classifier with its files. */
export interface Loaded {
  /** What it is called in messages. */
  readonly name: string;
  readonly files: Files;
  readonly classifier: Classifier | ClassifierFile;
  /** How it was read: the options, and what lies beside it. */
  readonly said: Omit<ReadOptions, 'external'>;
}

/**
 * A classifier whose files are others now, read as it was before.
 *
 * @throws Error in one line when they are no such classifier.
 */
export const readAgain = ({ name, said }: Pick<Loaded, 'name' | 'said'>, files: Files): Loaded => ({
  name,
  files,
  said,
  classifier: readClassifier(files.bytes, {
    ...said,
    ...(Object.keys(files.external).length > 0 && { external: fromFiles(files.external) }),
  }),
});

/**
 * Reads a classifier from its bytes or its place, with what lies beside it.
 *
 * @throws InputError in one line that begins with the model's name.
 */
export async function loadClassifier(
  platform: Platform,
  model: Uint8Array | string,
  options: LoadOptions = {},
): Promise<Loaded> {
  const name = nameOf(model);
  return await naming(name, async () => {
    const { external: given, ...said } = options;
    const files = await readFiles(platform, model, given);
    const beside = typeof model === 'string' ? await filesBeside(platform, model) : {};
    return readAgain({ name, said: { ...said, beside } }, files);
  });
}

/** What images of a classifier are. What the options say of pictures is rejected where data are none. */
export const imageOptions = ({
  classifier: { image, classes, labels, pictures },
  said: { resize, interpolation },
}: Loaded): ImageOptions => ({
  shape: image,
  classes: labels ?? classes,
  pictures,
  ...(resize !== undefined && { resize }),
  ...(interpolation && { interpolation }),
});

/** What errors call a model. */
export const nameOf = (model: Uint8Array | string): string =>
  typeof model === 'string' ? model : 'the model';

/** The bytes of a model, and of the files that its weights lie in. */
export async function readFiles(
  platform: Platform,
  model: Uint8Array | string,
  given: ExternalFiles = {},
): Promise<Files> {
  const bytes = typeof model === 'string' ? await platform.read(model) : model;
  const external = { ...given };
  for (const location of describeModel(bytes).external) {
    if (external[location] || typeof model !== 'string') continue;
    if (/(^|[\\/])\.\.([\\/]|$)|^[\\/]|^\w:/.test(location)) {
      throw new Error(`its weights lie in ${location}, which is not beside it`);
    }
    external[location] = await platform.read(platform.beside(model, location));
  }
  return { bytes, external };
}

async function filesBeside(platform: Platform, model: string): Promise<Beside> {
  const [preprocessor, config] = await Promise.all(
    ['preprocessor_config.json', 'config.json'].map(async (name) => {
      const text = await platform.optional(model, name);
      try {
        return text === null ? null : (JSON.parse(text) as unknown);
      } catch {
        return null;
      }
    }),
  );
  return { preprocessor, config };
}

/**
 * A classifier with a gradient to train by.
 *
 * @param what is to become of it.
 * @throws Error in one line when there is none.
 */
export function withGradient(
  classifier: Loaded['classifier'],
  what: 'trained' | 'trained against',
): Classifier {
  const lack = gradientLack(classifier);
  if (lack !== null || !hasGraph(classifier)) throw new Error(`it cannot be ${what}: ${lack}`);
  return classifier;
}

/** Whether a line says of which model it is: `NAME: ...`, or `cannot read NAME: ...`. */
const isNamed = (line: string, name: string): boolean =>
  ['', 'cannot read ', 'cannot fetch '].some((start) => line.startsWith(`${start}${name}: `));

/** Does work on a model; what it throws becomes one line that names the model. */
export async function naming<T>(name: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const line = (error as Error).message.split('\n', 1)[0]!.replace(/^decode: /, '');
    throw new InputError(isNamed(line, name) ? line : `${name}: ${line}`, { cause: error });
  }
}
