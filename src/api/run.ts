import {
  attackOf,
  unsuited,
  type Batch,
  type Configured,
  type Images,
  type Logits,
  type Norm,
  type Oracle,
  type ThreatModel,
} from '../runtime/attacks/index.ts';
import { attackBatch } from '../runtime/audit/attack-batch.ts';
import { InputError } from '../runtime/errors.ts';
import type { OpenClassifier } from './classifier.ts';
import { partOf } from './examples.ts';
import type { Chosen, Method } from './method.ts';

/** What an attack may do, and how it is run. */
export interface CommonOptions {
  /** Largest size of the change, in the unit of the pixels: `8 / 255`. */
  readonly eps: number;
  /** How the size is measured: the largest change of a pixel (`linf`, the default), or the Euclidean length (`l2`). */
  readonly norm?: Norm;
  /** The values that a pixel may have; [0, 1] by default, null for any. */
  readonly range?: readonly [low: number, high: number] | null;
  /** Of the random numbers: the same seed gives the same images. Default: 1. */
  readonly seed?: number;
  /** Images at a time; it changes memory and speed alone. Default: 100. */
  readonly batchSize?: number;
  /** Ends the work after the gradient step at hand; the call then rejects with the reason of the signal. */
  readonly signal?: AbortSignal;
  /** Called after each gradient step and each batch. */
  readonly onProgress?: (progress: Progress) => void;
}

/** The names of {@link CommonOptions}. */
export const commonOptions = [
  'eps',
  'norm',
  'range',
  'seed',
  'batchSize',
  'signal',
  'onProgress',
] as const satisfies readonly (keyof CommonOptions)[];

/** How far the work is. */
export interface Progress {
  /** The attack that runs; `clean` for the images as they are. */
  readonly attack: Method | 'clean';
  /** Images that are done with this attack, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Steps that the attack has taken on the images at hand. */
  readonly step: number;
}

/** Options, complete and checked. */
export interface Plan {
  readonly threat: ThreatModel;
  readonly seed: number;
  readonly batchSize: number;
  readonly onProgress: (progress: Progress) => void;
  /** Between two pieces of work. Throws the reason of the signal. */
  readonly pause: () => Promise<void>;
}

/** Checks options and fills in the defaults. Throws InputError. */
export function planOf(
  { eps, norm = 'linf', range = [0, 1], seed = 1, batchSize = 100, signal, onProgress }: CommonOptions,
  goal: ThreatModel['goal'] = 'untargeted',
): Plan {
  if (!(Number.isFinite(eps) && eps >= 0)) {
    throw new InputError(`eps must be a number from 0 on, in the unit of the pixels, got ${eps}`);
  }
  if (range && !(range[0] < range[1])) {
    throw new InputError(`range must be [low, high] with low below high, got [${range.join()}]`);
  }
  const width = range ? range[1] - range[0] : Infinity;
  if (norm === 'linf' && eps > width) {
    throw new InputError(`eps must be at most ${width} for pixels in ${range!.join('..')}, got ${eps}`);
  }
  if (!Number.isFinite(seed)) throw new InputError(`seed must be a number, got ${seed}`);
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new InputError(`batchSize must be an integer from 1 on, got ${batchSize}`);
  }
  const breathe = breather();
  return {
    threat: { norm, eps, range, goal },
    seed,
    batchSize,
    onProgress: onProgress ?? (() => {}),
    async pause() {
      await breathe();
      signal?.throwIfAborted();
    },
  };
}

/** Throws InputError when an attack cannot be run on a classifier. */
export function checkSuited({ method }: Chosen, classifier: Oracle, { threat }: Plan): void {
  const lack = unsuited(method, classifier, threat);
  if (lack === null) return;
  const { noGradient } = classifier as Partial<OpenClassifier>;
  const why = attackOf(method).access === 'gradient' && noGradient ? ` (${noGradient})` : '';
  throw new InputError(`${lack}${why}`);
}

/** A part of the examples after an attack. */
export interface Seen {
  /** The number of its first image. */
  readonly start: number;
  readonly batch: Batch;
  readonly images: Images;
  readonly logits: Logits;
}

/** The images as they are, and what the classifier says. */
export async function* asTheyAre(classifier: Oracle, all: Batch, plan: Plan): AsyncGenerator<Seen, void> {
  yield* eachBatch('clean', all, plan, async ({ images }) => ({
    images,
    logits: await classifier.logits(images),
  }));
}

/** The images after an attack, batch by batch, and what the classifier says. */
export async function* afterAttack<K extends Method>(
  { method, settings }: Chosen<K>,
  classifier: Oracle,
  all: Batch,
  plan: Plan,
): AsyncGenerator<Seen, void> {
  const { threat, seed, onProgress, pause } = plan;
  const total = all.labels.length;
  const configured = { attack: method, settings } as Configured;
  yield* eachBatch(method, all, plan, async (batch, done) => {
    const work = attackBatch(classifier, batch, threat, configured, { seed, name: method });
    try {
      for (;;) {
        const next = await work.next();
        if (next.done) return next.value;
        onProgress({ attack: method, done, total, step: next.value });
        await pause();
      }
    } finally {
      await work.return(undefined as never);
    }
  });
}

async function* eachBatch(
  attack: Progress['attack'],
  all: Batch,
  { batchSize, onProgress, pause }: Plan,
  look: (batch: Batch, done: number) => Promise<Pick<Seen, 'images' | 'logits'>>,
): AsyncGenerator<Seen, void> {
  const total = all.labels.length;
  for (let start = 0; start < total; start += batchSize) {
    await pause();
    const batch = partOf(all, start, batchSize);
    const { images, logits } = await look(batch, start);
    yield { start, batch, images, logits };
    onProgress({ attack, done: start + batch.labels.length, total, step: 0 });
  }
}

/**
 * Lets timers and events in, now and then: WebAssembly computes on the thread of the page, and answers without a turn of
 * its loop.
 */
function breather(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < 20) return;
    await new Promise((resolve) => setTimeout(resolve));
    last = performance.now();
  };
}
