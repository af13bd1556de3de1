import { gradientEnds } from '../models/classifier/adopt.ts';
import { classifierOf, type Classifier } from '../models/classifier/classifier.ts';
import { classifierGradientModel } from '../models/classifier/gradient.ts';
import type { Oracle } from '../runtime/attacks/index.ts';
import { openOracle, type OracleFiles } from '../runtime/audit/oracle.ts';
import { withoutGradient } from '../runtime/audit/classifier-checks.ts';
import type { Device } from '../runtime/devices/index.ts';
import { InputError } from '../runtime/errors.ts';
import type { Platform } from './platform.ts';

/** How a classifier is opened. */
export interface OpenOptions {
  /** Where it runs: `cpu` (the default; WebAssembly in a browser), `webgpu`, or in Node `cuda`. */
  readonly device?: Device;
  /** Threads of the CPU. Default: one a core in Node; one in a browser, up to four in a page that is cross-origin isolated. */
  readonly threads?: number;
  /**
   * The number of images that most gradients are asked of at a time, for which the gradient is optimised; it changes speed
   * and rounding alone. Default: 100, the `batchSize` of attacks.
   */
  readonly batchSize?: number;
}

/**
 * A classifier that is open in ONNX Runtime. It is an {@link Oracle}: `image` says how large its images are, `classes` how
 * many classes it has, `logits` classifies images, and `gradient` gives the gradient of a loss in the images.
 */
export interface OpenClassifier extends Oracle {
  /** Why there is no `gradient`, in one line; null where there is one. */
  readonly noGradient: string | null;
  /** The operators at which its gradient ends, where that is zero by construction; null otherwise. */
  readonly gradientEnds: readonly string[] | null;
  /** Frees the memory of its sessions. */
  close(): Promise<void>;
}

/** Opens a classifier from its bytes or its place: what `openClassifier` does on each platform. */
export async function openOn(
  platform: Platform,
  model: Uint8Array | string,
  { device = 'cpu', threads = platform.threads(), batchSize = 100 }: OpenOptions,
): Promise<OpenClassifier> {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InputError(`threads must be an integer from 1 on, got ${threads}`);
  }
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new InputError(`batchSize must be an integer from 1 on, got ${batchSize}`);
  }
  const name = typeof model === 'string' ? model : 'the model';
  const bytes = typeof model === 'string' ? await platform.read(model) : model;
  const classifier = understood(name, bytes);
  const { graph, image, classes, ports } = classifier;
  const { noGradient, ends } = slopeOf(classifier);
  platform.prepare(threads);
  const files: OracleFiles = {
    classifier: bytes,
    ports,
    image,
    classes,
    batchSize,
    ...(noGradient === null && {
      gradient: (loss, batch) => classifierGradientModel(graph, device, loss, batch),
    }),
  };
  const oracle = await platform
    .inTurn(() => openOracle(files, { device, threads }))
    .catch((error: unknown) => {
      throw new InputError(`${name}: ${lineOf(error)}`, { cause: error });
    });
  const { gradient } = oracle;
  return {
    image,
    classes,
    logits: (images) => platform.inTurn(() => oracle.logits(images)),
    ...(gradient && { gradient: (batch, loss) => platform.inTurn(() => gradient(batch, loss)) }),
    noGradient,
    gradientEnds: ends,
    close: () => platform.inTurn(() => oracle.close()),
  };
}

function understood(name: string, bytes: Uint8Array): Classifier {
  try {
    return classifierOf(bytes);
  } catch (error) {
    throw new InputError(`${name}: ${lineOf(error)}`, { cause: error });
  }
}

/** Whether there is a gradient to follow. A classifier without one can still be asked for its answers. */
function slopeOf({ graph }: Classifier) {
  try {
    const ends = gradientEnds(graph);
    return { ends, noGradient: ends && withoutGradient(ends).message };
  } catch (error) {
    return { ends: null, noGradient: lineOf(error) };
  }
}

const lineOf = (error: unknown): string => (error as Error).message.split('\n', 1)[0]!;
