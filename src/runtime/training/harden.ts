import { Tally } from '../audit/tally.ts';
import type { ImageSource } from '../data/source.ts';
import { fillBytes, stream } from '../random.ts';
import type { ProgramFile, SessionOptions } from '../session.ts';
import { elements, float32, type Tensors } from '../tensor.ts';
import { rateAt, type Schedule } from './schedule.ts';
import type { Given } from './steps.ts';
import { Diverged, Trainer, type Means, type Running, type Step } from './trainer.ts';

/** How a classifier is trained. */
export interface HardenSettings {
  /** The largest size of the attack. */
  readonly eps: number;
  readonly epochs: number;
  readonly batchSize: number;
  /** Its peak. */
  readonly learningRate: number;
  readonly schedule: Schedule;
  /** Epochs over which eps rises from 0, fractions among them. */
  readonly warmup: number;
  /** Epochs without a better robust accuracy after which the training ends; null for never. */
  readonly patience: number | null;
  readonly seed: number;
}

/** What a hardening does unless it is told otherwise. */
export const hardenDefaults = (epochs: number) =>
  ({ schedule: 'one-cycle', warmup: epochs / 4, patience: null }) as const;

/** How many of some training images are held out unless it is told otherwise: a tenth, 1,000 at most. */
export const validationOf = (images: number): number => Math.max(1, Math.min(1000, Math.floor(images / 10)));

/** Accuracy on images that are not trained on, in 0..1. */
export interface Judged {
  readonly clean: number;
  readonly robust: number;
}

/** An epoch: what its batches measured, and the validation after it. */
export interface HardenRecord extends Judged {
  readonly epoch: number;
  /** Mean loss, and the accuracy on attacked training images. */
  readonly train: Means;
  /** At its end. */
  readonly eps: number;
  /** Robust accuracy fell so far that the best weights before were restored. */
  readonly restored: boolean;
}

/** A training at one moment; with the same data it continues to the same bits. */
export interface HardenCheckpoint {
  readonly records: readonly HardenRecord[];
  /** Of the unfinished epoch. */
  readonly running: Running | null;
  /** The state of the program. */
  readonly state: Tensors;
  /** The state after the epoch of the best robust accuracy; null before there is one. */
  readonly best: Tensors | null;
}

/** What happens during a training, in order. */
export type HardenProgress =
  | Step<'model'>
  /** After an epoch: how many of the held-out images are attacked. */
  | {
      readonly kind: 'judge';
      readonly epoch: number;
      readonly epochs: number;
      readonly done: number;
      readonly total: number;
    }
  | { readonly kind: 'epoch'; readonly record: HardenRecord; readonly checkpoint: HardenCheckpoint }
  /** The last event after an abort, or when a session failed: `error` says how. */
  | { readonly kind: 'interrupted'; readonly checkpoint: HardenCheckpoint; readonly error?: Error }
  | { readonly kind: 'done'; readonly checkpoint: HardenCheckpoint };

/** What a training needs. */
export interface HardenWork {
  readonly settings: HardenSettings;
  readonly device: SessionOptions['device'];
  readonly threads: number;
  readonly program: ProgramFile;
  readonly train: ImageSource;
  readonly from: HardenCheckpoint;
  /**
   * Measures the weights in a state on images that are not trained on. Yields the number of images that are done. May throw
   * when the signal is aborted.
   */
  readonly judge: (state: Tensors) => AsyncGenerator<number, Judged>;
  /** How many images that are. */
  readonly validation: number;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that steps should run before there is an event, 0 for one step an event; 1,400 when absent. */
  readonly runTime?: number;
}

/** Gradient steps of PGD, the attack that judges an epoch. */
export const judgeSteps = 20;

/** Accuracies from the right answers to images as they are and attacked: robust are those that are right both times. */
export const judgedBy = (clean: Tally, attacked: Tally): Judged => ({
  clean: clean.measure().accuracy,
  robust: Tally.worst([clean, attacked]).measure().accuracy,
});

/** Robust accuracy that falls by this much from its best shows catastrophic overfitting (Wong et al. 2020). */
const collapse = 0.2;

/**
 * Trains a classifier against attacks, epoch by epoch, and keeps the state of the best robust accuracy on images that are
 * not trained on. Where that accuracy collapses, the best state is restored. Deterministic, interrupted and resumed or not.
 *
 * @throws Diverged when a loss is not finite.
 */
export async function* hardenEpochs(work: HardenWork): AsyncGenerator<HardenProgress, void> {
  const { settings, program, train, judge, validation, signal, device, threads, runTime = 1400 } = work;
  const { epochs, batchSize, seed } = settings;
  let { records, running, state, best } = work.from;
  const checkpoint = (): HardenCheckpoint => ({ records, running, state, best });
  try {
    for (let epoch = records.length + 1; !isFinished(records, settings); epoch++) {
      const trainer = new Trainer<'model'>({
        config: { device, threads, seed, batchSize },
        split: train,
        states: new Map([['model', state]]),
        running: running ? { model: running } : {},
        runTime,
        signal,
      });
      try {
        yield* trainer.epoch({
          networks: ['model'],
          program,
          metrics: { model: { loss: 'loss', accuracy: 'accuracy' } },
          given: givenOf(work, epoch),
          epoch,
          epochs,
          order: epoch,
        });
      } finally {
        state = trainer.states.get('model')!;
        running = trainer.running.model ?? null;
      }
      if (signal?.aborted) return yield { kind: 'interrupted', checkpoint: checkpoint() };
      const judging = judge(state);
      let next = await judging.next();
      for (; !next.done; next = await judging.next()) {
        yield { kind: 'judge', epoch, epochs, done: next.value, total: validation };
        if (!signal?.aborted) continue;
        await judging.return(undefined as never);
        return yield { kind: 'interrupted', checkpoint: checkpoint() };
      }
      const judged = next.value;
      const before = bestOf(records);
      const restored = best !== null && before !== null && judged.robust < before.robust - collapse;
      if (restored) state = best!;
      else if (!before || judged.robust >= before.robust) best = state;
      const eps = settings.eps * epsAt(settings, epoch);
      const record = { epoch, train: trainer.closeEpoch().model!, eps, ...judged, restored };
      running = null;
      records = [...records, record];
      yield { kind: 'epoch', record, checkpoint: checkpoint() };
      if (signal?.aborted) return yield { kind: 'interrupted', checkpoint: checkpoint() };
    }
  } catch (error) {
    if (error instanceof Diverged) throw error;
    // what a judge throws when it is told to end is no failure; another error is one, even while stopping
    const isStop =
      signal?.aborted === true && (error === signal.reason || (error as Error).name === 'AbortError');
    const failure = isStop ? {} : { error: error as Error };
    return yield { kind: 'interrupted', checkpoint: checkpoint(), ...failure };
  }
  yield { kind: 'done', checkpoint: checkpoint() };
}

/** The epoch of the best robust accuracy, the last of equals; null where there is none. */
export const bestOf = (records: readonly HardenRecord[]): HardenRecord | null =>
  records.reduce<HardenRecord | null>(
    (best, record) => (best && best.robust > record.robust ? best : record),
    null,
  );

/** Whether no epoch follows: all are done, or the accuracy has not risen for as long as it may. */
export function isFinished(
  records: readonly HardenRecord[],
  { epochs, patience, warmup }: HardenSettings,
): boolean {
  if (records.length >= epochs) return true;
  const since = records.length - Math.max(bestOf(records)?.epoch ?? 0, Math.ceil(warmup));
  return patience !== null && since >= patience;
}

/** What part of its full size the attack has after some epochs. */
const epsAt = ({ warmup }: HardenSettings, epochs: number): number =>
  warmup > 0 ? Math.min(1, epochs / warmup) : 1;

/** What the steps of an epoch are given beside examples. */
function givenOf({ settings, train }: HardenWork, epoch: number): (step: number) => Given {
  const { batchSize, epochs, eps, learningRate, schedule, seed } = settings;
  const steps = Math.floor(train.count / batchSize);
  const { channels, height, width } = train.shape;
  const shape = [batchSize, channels, height, width];
  return (step) => {
    const done = epoch - 1 + step / steps;
    const noise = new Uint8Array(elements(shape));
    fillBytes(noise, stream(seed, 'noise', epoch, step));
    return {
      noise: { dtype: 'uint8', shape, data: noise },
      rate: number(learningRate * rateAt(schedule, done / epochs)),
      eps: number(eps * epsAt(settings, done)),
    };
  };
}

const number = (value: number) => float32([], Float32Array.of(value));
