import { classifierGradientModel } from '../models/classifier/gradient.ts';
import type { Origin } from '../models/classifier/classifier.ts';
import { hasGraph } from '../models/classifier/read.ts';
import type { Oracle } from '../runtime/attacks/index.ts';
import type { Comparison } from '../runtime/audit/comparison.ts';
import { gradientLack } from '../runtime/audit/classifier-checks.ts';
import { openOracle, type OpenOracle, type OracleFiles } from '../runtime/audit/oracle.ts';
import type { Preparations } from '../runtime/audit/checks/index.ts';
import type { SurrogateMaker } from '../runtime/audit/surrogate.ts';
import type { Device } from '../runtime/devices/index.ts';
import type { FitOptions } from '../runtime/data/fit.ts';
import type { ImageSource } from '../runtime/data/source.ts';
import { InputError } from '../runtime/errors.ts';
import { openChecked } from './checked.ts';
import { loadClassifier, naming, type Loaded, type LoadOptions } from './load.ts';
import type { Platform } from './platform.ts';
import { preparedOtherwise } from './preparations.ts';
import type { SelfCheck } from './self-check.ts';
import { surrogateMaker } from './surrogate.ts';

/** How a classifier is opened. */
export interface OpenOptions extends LoadOptions {
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
 * many classes it has, `logits` classifies images by the original file, and `gradient` gives the gradient of a loss in the
 * images.
 */
export interface OpenClassifier extends Oracle {
  /** The name of each class; null where nothing names them. */
  readonly labels: readonly string[] | null;
  /**
   * How pictures of any size become its images, by the files beside it or the options: for `openImages`. Null where
   * nothing says it.
   */
  readonly pictures: FitOptions | null;
  /** What its file says, and what was understood or assumed of it. */
  readonly origin: Origin;
  /** Why there is no `gradient`, in one line; null where there is one. */
  readonly noGradient: string | null;
  /** The operators at which its gradient ends, where that is zero by construction; null otherwise. */
  readonly gradientEnds: readonly string[] | null;
  /** How far the logits of its gradient graph were from those of its file; null where there is no gradient. */
  readonly selfCheck: SelfCheck | null;
  /** How the two are to be compared. */
  readonly comparison: Comparison;
  /** How accurate its file is on images whose pixels are prepared in the other usual ways, for an audit. */
  readonly preparations: (source: ImageSource) => Promise<Preparations | null>;
  /** Makes a network that learns its answers, for the attack `transfer` of an audit. */
  readonly surrogateMaker: SurrogateMaker;
  /** Frees the memory of its sessions. */
  close(): Promise<void>;
}

/** Opens a classifier from its bytes or its place: what `openClassifier` does on each platform. */
export async function openOn(
  platform: Platform,
  model: Uint8Array | string,
  { device = 'cpu', threads = platform.threads(), batchSize = 100, ...options }: OpenOptions,
): Promise<OpenClassifier> {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new InputError(`threads must be an integer from 1 on, got ${threads}`);
  }
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new InputError(`batchSize must be an integer from 1 on, got ${batchSize}`);
  }
  const loaded = await loadClassifier(platform, model, options);
  platform.prepare(threads);
  return await naming(loaded.name, () => openLoaded(platform, loaded, { device, threads, batchSize }));
}

/** A classifier that is open, and what it was opened from. */
export interface Opened {
  readonly classifier: OpenClassifier;
  /** What opens it again, in another process too: files and plain data, but for the function that makes gradients. */
  readonly files: OracleFiles;
}

/** Attackers of a classifier's images, at most one of a kind. */
type Attackers = Pick<OracleFiles, 'generator' | 'universal'>;

/** Opens a classifier that is read, with attackers of it, and compares its gradient graph with its file. */
export const openLoaded = async (
  platform: Pick<Platform, 'inTurn'>,
  loaded: Loaded,
  options: LoadedOptions,
  attackers: Attackers = {},
): Promise<OpenClassifier> => (await openWithFiles(platform, loaded, options, attackers)).classifier;

/** How a classifier that is read is opened. */
export type LoadedOptions = Required<Pick<OpenOptions, 'device' | 'threads'>> &
  Pick<OpenOptions, 'batchSize'>;

/** {@link openLoaded}, with what is needed to open the same again without comparing. */
export async function openWithFiles(
  { inTurn }: Pick<Platform, 'inTurn'>,
  { files, classifier }: Loaded,
  { batchSize, ...options }: LoadedOptions,
  attackers: Attackers = {},
): Promise<Opened> {
  const { image, classes, labels, pictures, ports, origin, gradientEnds } = classifier;
  const noGradient = gradientLack(classifier);
  const all: OracleFiles = {
    classifier: files.bytes,
    external: files.external,
    ports,
    image,
    classes,
    ...attackers,
    ...(noGradient === null &&
      hasGraph(classifier) && {
        gradient: (loss, batch) => classifierGradientModel(classifier.graph, options.device, loss, batch),
        gradientBatch: classifier.batch,
        ...(batchSize !== undefined && { batchSize }),
      }),
  };
  const opened = (optimized: boolean): Promise<OpenOracle> => openOracle({ ...all, optimized }, options);
  const { oracle, optimized, check, notes } = await inTurn(() =>
    openChecked(opened, files, classifier, options),
  );
  const { gradient, generator, universal } = oracle;
  return {
    files: { ...all, optimized },
    classifier: {
      image,
      classes,
      labels,
      pictures,
      origin: { ...origin, notes: [...origin.notes, ...notes] },
      logits: (images) => inTurn(() => oracle.logits(images)),
      ...(gradient && { gradient: (batch, loss) => inTurn(() => gradient(batch, loss)) }),
      ...(generator && { generator }),
      ...(universal && { universal }),
      noGradient,
      gradientEnds,
      selfCheck: check,
      comparison: { form: ports.output.form, tolerance: origin.tolerance },
      preparations: (source) => preparedOtherwise({ files, classifier }, source, options, { inTurn }),
      surrogateMaker: surrogateMaker({ image, classes }, options, { inTurn }),
      close: () => inTurn(() => oracle.close()),
    },
  };
}
