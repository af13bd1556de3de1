import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { input, type Graph } from '../builder/index.ts';
import { decode } from '../onnx/index.ts';
import { classifierGradientModel } from '../models/classifier/gradient.ts';
import type { Sizes } from '../models/networks/index.ts';
import { adopt, givenClassifier, givenModel, gradientEnds } from '../models/classifier/adopt.ts';
import { firstOf } from '../runtime/data/source.ts';
import { checkClassifier, withoutGradient } from '../runtime/audit/classifier-checks.ts';
import { openOracle, type OracleFiles } from '../runtime/audit/oracle.ts';
import {
  InputError,
  type CellConfig,
  type ImageSource,
  type RunConfig,
  type SessionOptions,
} from '../runtime/index.ts';
import { describeFsError } from '../runtime/files.ts';

/** Classifiers that somebody brings, in the places of C1 and C2. */
export interface Given {
  readonly c1: Graph;
  /** The same as `c1` unless there is another to measure transfer on. */
  readonly c2: Graph;
}

/** What a configuration says of them. */
export type GivenSources = Pick<CellConfig, 'against' | 'transfer'>;

/**
 * Reads the files of `--against` and `--transfer`; null where the classifiers are trained.
 *
 * @param sizes of the images that they must take, and their number of classes.
 * @throws InputError when a file cannot be read, or is no classifier that can be differentiated.
 */
export async function readGiven(
  against: string | undefined,
  transfer: string | undefined,
  sizes: Sizes,
): Promise<{ readonly given: Given; readonly sources: GivenSources } | null> {
  if (against === undefined) return null;
  const one = await readClassifier(against, sizes);
  const wayOut = `train against another classifier and measure this one with --transfer ${against}`;
  const ends = await naming(against, () => gradientEnds(one.graph), wayOut);
  if (ends) throw new InputError(`${against}: ${withoutGradient(ends).message}; ${wayOut}`);
  const other = transfer === undefined ? undefined : await readClassifier(transfer, sizes);
  return {
    given: { c1: one.graph, c2: (other ?? one).graph },
    sources: { against: one.source, ...(other && { transfer: other.source }) },
  };
}

/** The same files again, for a run that is resumed. Throws InputError when they are others now. */
export async function readGivenAgain(config: RunConfig, sizes: Sizes): Promise<Given | null> {
  const read = await readGiven(config.against?.source, config.transfer?.source, sizes);
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
  { against, transfer }: GivenSources,
  images: ImageSource,
  options: SessionOptions,
): Promise<readonly string[]> {
  const batch = await firstOf(images, checkedImages);
  const warnings: string[] = [];
  const look = (source: string, graph: Graph, gradient: Pick<OracleFiles, 'gradient'>): Promise<void> =>
    naming(source, async () => {
      const about = { image: images.shape, classes: images.classes.length };
      const oracle = await openOracle({ classifier: givenModel(graph), ...about, ...gradient }, options);
      try {
        for (const { message } of await checkClassifier(oracle, batch))
          warnings.push(`${source}: ${message}`);
      } finally {
        await oracle.close();
      }
    });
  await look(against!.source, c1, { gradient: (loss) => classifierGradientModel(c1, options.device, loss) });
  if (transfer) await look(transfer.source, c2, {});
  return warnings;
}

/** Images on which a classifier is tried before the work starts. */
const checkedImages = 100;

async function readClassifier(path: string, { image: { channels, height, width }, classes }: Sizes) {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  return await naming(path, () => {
    const graph = adopt(decode(bytes).graph);
    givenClassifier(graph, input('probe', 'float32', ['batch', channels, height, width]), classes);
    return { graph, source: { source: path, sha256: createHash('sha256').update(bytes).digest('hex') } };
  });
}

/** Runs work on a file; what it throws becomes one line that names the file, with a way out if one is given. */
async function naming<T>(path: string, work: () => T | Promise<T>, wayOut?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const [line] = (error as Error).message.split('\n', 1);
    throw new InputError(`${path}: ${line}${wayOut ? `; ${wayOut}` : ''}`, { cause: error });
  }
}
