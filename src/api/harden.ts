import { averagePrefix } from '../builder/index.ts';
import {
  adversarialTrain,
  defenceDefaults,
  defences,
  type Defence,
  type DefenceSettings,
} from '../models/adversarial.ts';
import { weightPrefix, type Frozen, type Tunable } from '../models/classifier/tune.ts';
import { withWeights } from '../onnx/index.ts';
import type { Norm } from '../runtime/attacks/index.ts';
import { heldOut } from '../runtime/data/chosen.ts';
import { Tally } from '../runtime/audit/tally.ts';
import type { ImageSource } from '../runtime/data/source.ts';
import { deviceNames, type Device } from '../runtime/devices/index.ts';
import { InputError } from '../runtime/errors.ts';
import { toHalf } from '../runtime/half.ts';
import type { Tensors } from '../runtime/tensor.ts';
import {
  bestOf,
  hardenDefaults,
  hardenEpochs,
  judgedBy,
  judgeSteps,
  validationOf,
  type HardenCheckpoint,
  type HardenProgress,
  type HardenRecord,
  type HardenSettings,
  type Judged,
} from '../runtime/training/harden.ts';
import { schedules, type Schedule } from '../runtime/training/schedule.ts';
import { openLoaded, type OpenClassifier } from './classifier.ts';
import { checkedBatch, examplesFrom } from './examples.ts';
import { identityOf } from './identity.ts';
import { loadClassifier, naming, readAgain, type Loaded, type LoadOptions } from './load.ts';
import { chosen } from './method.ts';
import { apartFromTrained, beginning, openTunable, programFile } from './hardening.ts';
import type { Files } from './parting.ts';
import type { Platform } from './platform.ts';
import { afterAttack, asTheyAre, planOf } from './run.ts';

/** How a classifier is hardened. */
export interface HardenOptions {
  /** How the classifier's file is read. */
  readonly reading?: LoadOptions;
  /** Largest size of the change, in the unit of the pixels: `8 / 255`. */
  readonly eps: number;
  /** How it is measured. Default: `linf`. */
  readonly norm?: Norm;
  /** What is learned from: `fast`, `pgd` (the default) or `trades`. */
  readonly method?: Defence;
  /** Settings of the attack inside a training step; the method has defaults. */
  readonly attack?: Partial<Omit<DefenceSettings, 'method' | 'norm'>>;
  /** Default: 10. */
  readonly epochs?: number;
  /** Images a step. Default: 100. */
  readonly batchSize?: number;
  /** Adam's learning rate at its peak. Default: 0.001. */
  readonly learningRate?: number;
  /** How it changes. Default: `one-cycle`. */
  readonly schedule?: Schedule;
  /** Epochs over which eps rises from 0. Default: a quarter of the epochs. */
  readonly warmup?: number;
  /** Decay of the weights' average, which then is the result; 0 for none, the default. */
  readonly average?: number;
  /** End after so many epochs without a better robust accuracy. Default: null, never. */
  readonly patience?: number | null;
  /** Training images that are held out, to find the best epoch. Default: a tenth, 1,000 at most. */
  readonly validation?: number;
  /** Of the order of images, random starts and held-out images. Default: 1. */
  readonly seed?: number;
  readonly device?: Device;
  /** Threads of the CPU; the results depend on it. */
  readonly threads?: number;
  /** The names of the files that weights lie in, in the new model. Default: as they are. */
  readonly rename?: (location: string) => string;
  /** Where to resume. */
  readonly from?: HardenCheckpoint;
  readonly signal?: AbortSignal;
  /** Milliseconds between two reports of steps, 0 for one a step. Default: 1,400. The result does not depend on it. */
  readonly reportEvery?: number;
  /** Called after some steps and after each epoch. */
  readonly onProgress?: (progress: HardenProgress) => void;
}

/** A classifier that was hardened. */
export interface Hardened {
  /** The user's file with other weights. */
  readonly model: Uint8Array;
  /** The files that its weights lie in, by the names that it gives them; empty where they lie in the model. */
  readonly external: Readonly<Record<string, Uint8Array>>;
  /** What the training did, epoch by epoch. */
  readonly records: readonly HardenRecord[];
  /** The epoch whose weights these are. */
  readonly epoch: number;
  /** Names of the initializers that were trained. */
  readonly trained: readonly string[];
  readonly frozen: readonly Frozen[];
  /** How far the logits of the new file are from those of the graph that was trained. */
  readonly apart: number;
}

/** All that decides the numbers of a hardening, complete and checked. */
export interface HardenPlan {
  readonly settings: HardenSettings;
  readonly defence: DefenceSettings;
  readonly average: number;
  readonly validation: number;
  readonly device: Device;
  readonly threads: number;
}

/** Checks options and fills in the defaults. Throws InputError. */
export function hardenPlan(
  {
    norm = 'linf',
    method = 'pgd',
    attack,
    device = 'cpu',
    threads = 1,
    average = 0,
    ...options
  }: HardenOptions,
  train: ImageSource,
): HardenPlan {
  const {
    eps,
    epochs = 10,
    batchSize = 100,
    learningRate = 1e-3,
    seed = 1,
    validation = validationOf(train.count),
  } = options;
  const usual = hardenDefaults(epochs);
  const { schedule = usual.schedule, warmup = usual.warmup, patience = usual.patience } = options;
  const demand = (met: boolean, what: string, got: unknown): void => {
    if (!met) throw new InputError(`${what}, got ${String(got)}`);
  };
  const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 1;
  const isAmount = (x: number): boolean => Number.isFinite(x) && x >= 0;
  demand(norm === 'linf' || norm === 'l2', 'norm must be linf or l2', norm);
  demand(defences.includes(method), `method must be one of ${defences.join(', ')}`, method);
  demand(deviceNames.includes(device), `device must be one of ${deviceNames.join(', ')}`, device);
  demand(isCount(threads), 'threads must be an integer from 1 on', threads);
  demand(Number.isSafeInteger(seed) && seed >= 0, 'seed must be an integer from 0 on', seed);
  const defence: DefenceSettings = { method, norm, ...defenceDefaults[method], ...attack };
  demand(eps > 0 && Number.isFinite(eps), 'eps must be above 0', eps);
  demand(norm === 'l2' || eps <= 1, 'eps must be at most 1 for linf', eps);
  demand(isCount(epochs), 'epochs must be an integer from 1 on', epochs);
  demand(isCount(batchSize), 'batchSize must be an integer from 1 on', batchSize);
  demand(learningRate > 0 && Number.isFinite(learningRate), 'learningRate must be above 0', learningRate);
  demand(schedules.includes(schedule), `schedule must be one of ${schedules.join(', ')}`, schedule);
  demand(warmup >= 0 && warmup <= epochs, 'warmup must be from 0 to the number of epochs', warmup);
  demand(average >= 0 && average < 1, 'average must be from 0 to below 1', average);
  demand(patience === null || isCount(patience), 'patience must be an integer from 1 on, or null', patience);
  demand(isCount(validation), 'validation must be an integer from 1 on', validation);
  demand(isCount(defence.steps), 'steps of the attack must be an integer from 1 on', defence.steps);
  const { stepSize, start, beta } = defence;
  demand(isAmount(stepSize) && stepSize > 0, 'stepSize of the attack must be a number above 0', stepSize);
  demand(isAmount(start), 'start of the attack must be a number from 0 on', start);
  demand(isAmount(beta), 'beta must be a number from 0 on', beta);
  if (train.count - validation < batchSize) {
    throw new InputError(
      `${train.name}: ${train.count} training images, ${validation} of them held out, are no batch of ${batchSize}; ` +
        'take a smaller batch size or more images',
    );
  }
  return {
    settings: { eps, epochs, batchSize, learningRate, schedule, warmup, patience, seed },
    defence,
    average,
    validation,
    device,
    threads,
  };
}

/** All that a checkpoint belongs to, as plain data: the model and how it is read, the images and the settings. */
export const hardenIdentity = (loaded: Loaded, train: ImageSource, plan: HardenPlan) => ({
  model: identityOf(loaded),
  data: { sha256: train.sha256, count: train.count },
  plan,
});

/**
 * Trains the weights of a classifier against attacks. The result is its own file with other weights: ports, names, operators,
 * versions, layout and preprocessing stay as they are.
 *
 * @param train labelled images; some are held out (`validation`).
 * @throws InputError before long work, when the classifier, an option or the images are wrong; the reason of the signal when
 *   that was aborted.
 */
export async function hardenOn(
  platform: Platform,
  model: Uint8Array | string,
  train: ImageSource,
  { reading, threads = platform.threads(), onProgress, ...options }: HardenOptions,
): Promise<Hardened> {
  const { signal } = options;
  const plan = hardenPlan({ ...options, threads }, train);
  const loaded = await loadClassifier(platform, model, reading);
  const work = hardenLoaded(platform, loaded, train, plan, options);
  for (;;) {
    const next = await work.next();
    if (next.done) {
      if (next.value) return next.value;
      signal?.throwIfAborted();
      throw new Error('the training ended early');
    }
    onProgress?.(next.value);
    if (next.value.kind === 'interrupted' && next.value.error) throw next.value.error;
  }
}

/** How a training goes on and what becomes of its files. */
export type HardenRun = Pick<HardenOptions, 'rename' | 'from' | 'signal' | 'reportEvery'>;

/**
 * {@link hardenOn} with a classifier that is read, event by event. Gives null when it was interrupted; the last event then
 * holds a checkpoint.
 */
export async function* hardenLoaded(
  platform: Pick<Platform, 'inTurn'>,
  loaded: Loaded,
  train: ImageSource,
  plan: HardenPlan,
  { rename, from, signal, reportEvery }: HardenRun = {},
): AsyncGenerator<HardenProgress, Hardened | null> {
  const { settings, defence, average, device, threads } = plan;
  const opened = await naming(loaded.name, () => openTunable(loaded, train, settings.batchSize));
  const { classifier, tuned } = opened;
  const [validation, others] = heldOut(train, plan.validation, settings.seed);
  const program = adversarialTrain(tuned, classifier.image, { name: 'harden', ...defence, average });
  const file = programFile(program, device, others.stored !== undefined);
  const begin = beginning(tuned, file);
  const prefix = average > 0 ? averagePrefix : '';
  const weightsIn = (state: Tensors): ReadonlyMap<string, Float32Array> =>
    new Map(
      tuned.trained.map(({ name }) => [
        name,
        state.get(`${prefix}${weightPrefix}${name}`)!.data as Float32Array,
      ]),
    );
  const hardenedFiles = (state: Tensors, metadata: Readonly<Record<string, string>>): Files =>
    withWeights(loaded.files, { weights: weightsIn(state), metadata, toHalf, ...(rename && { rename }) });
  const judge = async function* (state: Tensors): AsyncGenerator<number, Judged> {
    const again = readAgain(loaded, hardenedFiles(state, {}));
    const judged = await openLoaded(platform, again, { device, threads });
    try {
      return yield* accuracies(judged, validation, plan, signal);
    } finally {
      await judged.close();
    }
  };
  const checked = async (files: Files, weights: ReadonlyMap<string, Float32Array>): Promise<number> => {
    const hardened = await openLoaded(platform, readAgain(loaded, files), { device, threads });
    try {
      const apart = await apartFromTrained(hardened, tuned, weights, validation, { device, threads });
      const { tolerance } = classifier.origin;
      if (apart <= tolerance) return apart;
      throw new Error(
        `the logits of the new file are ${apart.toPrecision(2)} of the largest from those that were trained, more than ${tolerance}`,
      );
    } finally {
      await hardened.close();
    }
  };
  const empty: HardenCheckpoint = { records: [], running: null, state: begin, best: null };
  const work = hardenEpochs({
    settings,
    device,
    threads,
    program: file,
    train: others,
    from: from ?? empty,
    judge,
    validation: validation.count,
    signal,
    ...(reportEvery !== undefined && { runTime: reportEvery }),
  });
  for await (const event of work) {
    yield event;
    if (event.kind === 'interrupted') return null;
    if (event.kind !== 'done') continue;
    const { records, best, state } = event.checkpoint;
    const final = best ?? state;
    const kept = bestOf(records)!;
    const files = hardenedFiles(final, { [metadataKey]: JSON.stringify(trainedHow(plan, kept, tuned)) });
    const apart = await checked(files, weightsIn(final));
    return {
      model: files.bytes,
      external: files.external,
      records,
      epoch: kept.epoch,
      trained: tuned.trained.map(({ name }) => name),
      frozen: tuned.frozen,
      apart,
    };
  }
  return null;
}

/** Where the new file says how it was trained. */
const metadataKey = 'sparring.hardened';

function trainedHow({ settings, defence, average }: HardenPlan, { epoch }: HardenRecord, tuned: Tunable) {
  const { eps, epochs, batchSize, learningRate, schedule, warmup, seed } = settings;
  const statistics = tuned.frozen.some(({ why }) => why === 'statistics of batch norm');
  return {
    ...defence,
    eps,
    epoch,
    epochs,
    batchSize,
    learningRate,
    schedule,
    warmup,
    average,
    seed,
    trained: tuned.trained.length,
    ...(statistics && { batchNorm: 'statistics frozen' }),
  };
}

/** Right answers of a classifier as it is, and under PGD as well. Yields the number of images that are attacked. */
async function* accuracies(
  opened: OpenClassifier,
  images: ImageSource,
  { settings: { eps, seed }, defence: { norm } }: HardenPlan,
  signal?: AbortSignal,
): AsyncGenerator<number, Judged> {
  const common = planOf({ eps, norm, seed, ...(signal && { signal }) });
  const all = checkedBatch(opened, await examplesFrom(images), common.threat.range);
  const [clean, attacked] = [new Tally(images.count), new Tally(images.count)];
  for await (const { start, batch, logits } of asTheyAre(opened, all, common)) {
    clean.set(start, logits.data, batch.labels);
  }
  const pgd = chosen({ method: 'pgd', steps: judgeSteps });
  for await (const { start, batch, logits } of afterAttack(pgd, opened, all, common)) {
    attacked.set(start, logits.data, batch.labels);
    yield start + batch.labels.length;
  }
  return judgedBy(clean, attacked);
}
