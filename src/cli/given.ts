import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { input, type Graph } from '../builder/index.ts';
import { decode } from '../onnx/index.ts';
import { givenClassifier } from '../models/given.ts';
import { InputError, type CellConfig, type RunConfig } from '../runtime/index.ts';
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
 * @throws InputError when a file cannot be read, or is no classifier that can be differentiated.
 */
export async function readGiven(
  against: string | undefined,
  transfer: string | undefined,
): Promise<{ readonly given: Given; readonly sources: GivenSources } | null> {
  if (against === undefined) return null;
  const one = await readClassifier(against);
  const other = transfer === undefined ? undefined : await readClassifier(transfer);
  return {
    given: { c1: one.graph, c2: (other ?? one).graph },
    sources: { against: one.source, ...(other && { transfer: other.source }) },
  };
}

/** The same files again, for a run that is resumed. Throws InputError when they are others now. */
export async function readGivenAgain(config: RunConfig): Promise<Given | null> {
  const read = await readGiven(config.against?.source, config.transfer?.source);
  for (const key of ['against', 'transfer'] as const) {
    const [was, is] = [config[key], read?.sources[key]];
    if (was?.sha256 === is?.sha256) continue;
    throw new InputError(
      `${was!.source} is not the file that the run started with; restore the original file`,
    );
  }
  return read?.given ?? null;
}

async function readClassifier(path: string) {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
  });
  try {
    const { graph } = decode(bytes);
    givenClassifier(graph, input('probe', 'float32', [1, 1, 28, 28]));
    return { graph, source: { source: path, sha256: createHash('sha256').update(bytes).digest('hex') } };
  } catch (error) {
    throw new InputError(`${path}: ${(error as Error).message.split('\n', 1)[0]}`, { cause: error });
  }
}
