import { createHash } from 'node:crypto';
import { loadClassifier, naming, type Loaded } from '../api/load.ts';
import { openLoaded } from '../api/classifier.ts';
import { node } from '../api/node.ts';
import { input } from '../builder/index.ts';
import type { Classifier } from '../models/classifier/classifier.ts';
import { givenClassifier } from '../models/classifier/given.ts';
import { hasGraph } from '../models/classifier/read.ts';
import type { Sizes } from '../models/networks/index.ts';
import { firstOf } from '../runtime/data/source.ts';
import { checkClassifier, gradientLack } from '../runtime/audit/classifier-checks.ts';
import {
  InputError,
  type CellConfig,
  type ImageSource,
  type RunConfig,
  type SessionOptions,
} from '../runtime/index.ts';

/** A classifier that somebody brings, with its file. */
export interface Brought {
  readonly loaded: Loaded;
  readonly classifier: Classifier;
}

/** Classifiers that somebody brings, in the places of C1 and C2. */
export interface Given {
  readonly c1: Brought;
  /** The same as `c1` unless there is another to measure transfer on. */
  readonly c2: Brought;
}

/** What a configuration says of them. */
export type GivenSources = Pick<CellConfig, 'against' | 'transfer'>;

/** What was said of the files. */
type Adopted = NonNullable<NonNullable<GivenSources['against']>['adopt']>;

/**
 * Reads the files of `--against` and `--transfer`; null where the classifiers are trained.
 *
 * @param sizes of the images that they must take, and their number of classes.
 * @param adopt what the files do not say themselves; absent where nothing was said.
 * @throws InputError when a file cannot be read, or is no classifier that can be differentiated.
 */
export async function readGiven(
  against: string | undefined,
  transfer: string | undefined,
  sizes: Sizes,
  adopt?: Adopted,
): Promise<{ readonly given: Given; readonly sources: GivenSources } | null> {
  if (against === undefined) return null;
  const one = await readClassifier(against, sizes, adopt);
  const lack = gradientLack(one.brought.classifier);
  if (lack !== null) {
    const wayOut = `train against another classifier and measure this one with --transfer ${against}`;
    throw new InputError(`${against}: ${lack}; ${wayOut}`);
  }
  const other = transfer === undefined ? undefined : await readClassifier(transfer, sizes, adopt);
  return {
    given: { c1: one.brought, c2: (other ?? one).brought },
    sources: { against: one.source, ...(other && { transfer: other.source }) },
  };
}

/** The same files again, for a run that is resumed. Throws InputError when they are others now. */
export async function readGivenAgain(config: RunConfig, sizes: Sizes): Promise<Given | null> {
  const read = await readGiven(config.against?.source, config.transfer?.source, sizes, config.against?.adopt);
  for (const key of ['against', 'transfer'] as const) {
    const [was, is] = [config[key], read?.sources[key]];
    if (was?.sha256 === is?.sha256) continue;
    throw new InputError(
      `${was!.source} is not the file that the run started with; restore the original file`,
    );
  }
  return read?.given ?? null;
}

/**
 * Opens the classifiers and takes a gradient, as training will, so that whatever cannot work fails before there is a run
 * folder. Gives warnings, one line each, about answers and gradients that make a classifier seem robust.
 *
 * @throws InputError, naming the file, when a gradient graph cannot be built or a session cannot be opened.
 */
export async function tryGiven(
  { c1, c2 }: Given,
  { transfer }: GivenSources,
  images: ImageSource,
  options: SessionOptions,
): Promise<readonly string[]> {
  const batch = await firstOf(images, checkedImages);
  const warnings: string[] = [];
  const look = async ({ loaded }: Brought, follows: boolean): Promise<void> => {
    await naming(loaded.name, async () => {
      const opened = await openLoaded(node, loaded, options);
      const { gradient: _, ...answers } = opened;
      try {
        const found = await checkClassifier(follows ? opened : answers, batch, null, opened.comparison);
        for (const { message } of found) warnings.push(`${loaded.name}: ${message}`);
      } finally {
        await opened.close();
      }
    });
  };
  await look(c1, true);
  if (transfer) await look(c2, false);
  return warnings;
}

/** What was understood or assumed of classifiers, a line each. */
export const notesOn = (given: Given | null): readonly string[] =>
  [...new Set(given ? [given.c1, given.c2] : [])].flatMap(({ loaded, classifier: { origin } }) =>
    [...origin.facts.map(({ text }) => text), ...origin.notes].map((line) => `${loaded.name}: ${line}`),
  );

/** Images on which a classifier is tried before the work starts. */
const checkedImages = 100;

async function readClassifier(
  path: string,
  { image: { channels, height, width }, classes }: Sizes,
  adopt?: Adopted,
) {
  const loaded = await loadClassifier(node, path, adopt);
  const { classifier, files } = loaded;
  return await naming(path, () => {
    if (!hasGraph(classifier)) throw new Error(classifier.noGradient!);
    givenClassifier(classifier.graph, input('probe', 'float32', ['batch', channels, height, width]), classes);
    const sha256 = createHash('sha256').update(files.bytes).digest('hex');
    return { brought: { loaded, classifier }, source: { source: path, sha256, ...(adopt && { adopt }) } };
  });
}
