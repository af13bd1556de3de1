import type { AttackerPlan } from '../../models/attackers.ts';
import { epochOrder } from '../data/order.ts';
import { valuesOf, type ImageSource } from '../data/source.ts';
import { initialState, openTraining, type ProgramFile, type SessionOptions } from '../session.ts';
import { float32, type Tensor, type Tensors } from '../tensor.ts';
import { Diverged } from '../training/trainer.ts';
import { epochDraws, type EpochDraws } from './draws.ts';

/** What a training of an attacker depends on, beside its program and its images. */
export interface AttackerRun {
  readonly plan: Pick<AttackerPlan, 'eps' | 'classes'>;
  readonly seed: number;
  readonly epochs: number;
  readonly batchSize: number;
}

/** Sums over the batches of an epoch so far. */
export interface AttackerSums {
  readonly steps: number;
  readonly loss: number;
  /** Of the attacked images: the fractions of wrong answers, or of targets that were answered. */
  readonly success: number;
}

/** A training at one moment. With the same images it continues to the same bits. */
export interface AttackerCheckpoint {
  /** Epochs that are done. */
  readonly epochs: readonly AttackerSums[];
  /** Of the epoch that is not; 0 steps where none was begun. */
  readonly running: AttackerSums;
  readonly state: Tensors;
}

/** What happens during a training, in order. */
export type AttackerEvent =
  | {
      readonly kind: 'step';
      /** From 1. */
      readonly epoch: number;
      /** Images of this epoch, of `total`. */
      readonly done: number;
      readonly total: number;
      readonly sums: AttackerSums;
    }
  /** A moment to go on from: after each epoch, after some minutes, and when it was stopped. */
  | { readonly kind: 'checkpoint'; readonly checkpoint: AttackerCheckpoint };

export interface AttackerOptions extends AttackerRun {
  /**
   * A program that does one step for each row of `indices` on the images of a run: `all/image` float32, `all/label`, and
   * `all/eps` and `all/target` where it takes them.
   */
  readonly program: ProgramFile;
  /** With labels. Its images are read a few batches at a time. */
  readonly source: ImageSource;
  readonly session: SessionOptions;
  /** Where to go on from. */
  readonly from?: AttackerCheckpoint | null;
  /** Milliseconds that the steps of a run should take, 0 for one step a run. The bits do not depend on it. */
  readonly runTime?: number;
  /** Milliseconds between checkpoints in an epoch; 5 minutes when absent. */
  readonly keepEvery?: number;
  /** Ends the training after the steps at hand, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** Steps in one run at the most, and bytes of its images. */
const most = { steps: 50, bytes: 64 * 2 ** 20 };

/**
 * Trains an attacker. The last batch of an epoch is left out where it would not be full. Deterministic, interrupted and
 * continued or not: the same program, images, seed, device and threads give the same bits.
 *
 * @returns the last checkpoint; it has as many epochs as were asked for unless the training was stopped.
 * @throws Diverged when a loss is not finite; Error when a session fails.
 */
export async function* trainAttacker({
  program,
  source,
  session,
  plan,
  seed,
  epochs,
  batchSize,
  from,
  runTime = 1400,
  keepEvery = 300_000,
  signal,
}: AttackerOptions): AsyncGenerator<AttackerEvent, AttackerCheckpoint> {
  const perEpoch = Math.floor(source.count / batchSize);
  const atMost = Math.max(
    1,
    Math.min(most.steps, Math.floor(most.bytes / (4 * batchSize * valuesOf(source.shape)))),
  );
  const begin = from?.state ?? initialState(program.metadata, [seed, 'attacker']);
  const training = await openTraining(program, begin, new Map(), session);
  const done = [...(from?.epochs ?? [])];
  let running = from?.running ?? nothing;
  const checkpoint = async (): Promise<AttackerCheckpoint> => ({
    epochs: [...done],
    running,
    state: await training.state(),
  });
  let atOnce = 1;
  let kept = performance.now();
  try {
    while (done.length < epochs && !signal?.aborted) {
      const epoch = done.length + 1;
      const order = epochOrder(source, seed, 'attacker', epoch);
      const draws = epochDraws(perEpoch * batchSize, plan, seed, epoch);
      while (running.steps < perEpoch && !signal?.aborted) {
        const steps = Math.min(atOnce, perEpoch - running.steps);
        const at = running.steps * batchSize;
        const started = performance.now();
        const data = await runData(source, order, draws, plan, at, steps, batchSize);
        const metrics = await training.run(pick(data, program));
        running = added(running, metrics, epoch);
        atOnce = Math.max(1, Math.min(Math.round((runTime * steps) / (performance.now() - started)), atMost));
        const total = perEpoch * batchSize;
        yield { kind: 'step', epoch, done: running.steps * batchSize, total, sums: running };
        if (running.steps < perEpoch && performance.now() - kept > keepEvery) {
          yield { kind: 'checkpoint', checkpoint: await checkpoint() };
          kept = performance.now();
        }
      }
      if (running.steps < perEpoch) break;
      done.push(running);
      running = nothing;
      yield { kind: 'checkpoint', checkpoint: await checkpoint() };
      kept = performance.now();
    }
    const last = await checkpoint();
    if (done.length < epochs) yield { kind: 'checkpoint', checkpoint: last };
    return last;
  } finally {
    await training.close();
  }
}

const nothing: AttackerSums = { steps: 0, loss: 0, success: 0 };

/** The images of some steps, and what was drawn for them. */
async function runData(
  source: ImageSource,
  order: Uint32Array,
  { eps, ahead }: EpochDraws,
  { classes }: Pick<AttackerPlan, 'classes'>,
  at: number,
  steps: number,
  batchSize: number,
): Promise<Readonly<Record<string, Tensor>>> {
  const count = steps * batchSize;
  const { image, label } = await source.read(order.subarray(at, at + count));
  const labels = label.data as Int32Array;
  const target = labels.map((own, i) => (own + ahead[at + i]!) % classes);
  return {
    indices: {
      dtype: 'int64',
      shape: [steps, batchSize],
      data: BigInt64Array.from({ length: count }, (_, i) => BigInt(i)),
    },
    'all/image': image,
    'all/label': label,
    'all/eps': float32([count], eps.subarray(at, at + count)),
    'all/target': { dtype: 'int32', shape: [count], data: target },
  };
}

/** What a program takes of it. */
const pick = (
  data: Readonly<Record<string, Tensor>>,
  { metadata }: ProgramFile,
): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(metadata.data.map(({ name }) => [name, data[name]!]));

/** The sums with those of some more steps, one after another: the last bit must not depend on how many ran together. */
function added(
  { steps, loss, success }: AttackerSums,
  metrics: Readonly<Record<string, readonly number[]>>,
  epoch: number,
): AttackerSums {
  const losses = metrics['loss']!;
  const odd = losses.findIndex((each) => !Number.isFinite(each));
  if (odd !== -1) {
    throw new Diverged(
      `training the attacker diverged: loss ${losses[odd]} in epoch ${epoch}, step ${steps + odd + 1}`,
    );
  }
  return {
    steps: steps + losses.length,
    loss: losses.reduce((sum, each) => sum + each, loss),
    success: metrics['success']!.reduce((sum, each) => sum + each, success),
  };
}
