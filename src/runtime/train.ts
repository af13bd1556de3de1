import { batchAt, epochOrder } from './batches.ts';
import type { Checkpoint, EpochRecord, Network, Position, Running } from './checkpoint.ts';
import type { RunConfig } from './config.ts';
import type { Split } from './datasets/index.ts';
import { evaluate, type ClassifierScores, type Contestants } from './evaluate.ts';
import { initialState, openTraining, type ProgramFile, type Training } from './session.ts';
import type { Tensors } from './tensor.ts';

/** The programs of a run, and how trained weights become models that stand alone. */
export interface Programs {
  readonly classifierTrain: ProgramFile;
  readonly attackerTrain: ProgramFile;
  /** `image` -> `logits`, `probabilities`, with the weights inside. */
  readonly classifierModel: (weights: Tensors) => Uint8Array;
  /** `image` -> `perturbation`, `attacked`, with the weights inside. */
  readonly attackerModel: (weights: Tensors) => Uint8Array;
}

/** What happens during a run, in order. */
export type Progress =
  | {
      readonly kind: 'step';
      readonly network: Network;
      readonly epoch: number;
      readonly epochs: number;
      /** Images of this epoch. */
      readonly done: number;
      readonly total: number;
      /** Mean over the epoch's batches so far. */
      readonly loss: number;
      readonly accuracy: number;
    }
  | { readonly kind: 'evaluate'; readonly done: number; readonly total: number }
  | { readonly kind: 'epoch'; readonly record: EpochRecord; readonly checkpoint: Checkpoint }
  | { readonly kind: 'interrupted'; readonly checkpoint: Checkpoint }
  | { readonly kind: 'done'; readonly models: Required<Contestants>; readonly position: Position };

export interface TrainOptions {
  readonly config: RunConfig;
  readonly train: Split;
  readonly test: Split;
  readonly programs: Programs;
  /** Where to go on from. */
  readonly from?: Checkpoint | null;
  /** Aborting ends the run after the step in progress with an `interrupted` event, which holds a checkpoint. */
  readonly signal?: AbortSignal;
}

/**
 * Consecutive training (paper, section 2.1.1): C1 and C2 on clean images, with different seeds and the same epochs,
 * then A against C1 as it then is. Deterministic: the same configuration and data give the same events and bits,
 * interrupted and continued or not.
 */
export async function* train(options: TrainOptions): AsyncGenerator<Progress, void> {
  const { config } = options;
  const run = new Run(options);
  for (let epoch = run.finished('classifier') + 1; epoch <= config.classifierEpochs; epoch++) {
    const networks = ['c1', 'c2'] as const;
    for (const network of networks) {
      if (yield* run.trainEpoch(network, epoch, config.classifierEpochs)) return;
    }
    if (yield* run.closeEpoch('classifier', epoch, networks)) return;
  }
  for (let epoch = run.finished('attacker') + 1; epoch <= config.attackerEpochs; epoch++) {
    if (yield* run.trainEpoch('attacker', epoch, config.attackerEpochs)) return;
    if (yield* run.closeEpoch('attacker', epoch, ['attacker'])) return;
  }
  yield { kind: 'done', models: run.models() as Required<Contestants>, position: run.position() };
}

/** The state of a run between events. */
class Run {
  readonly #options: TrainOptions;
  readonly #states: Map<Network, Tensors>;
  readonly #records: EpochRecord[];
  #running: Partial<Record<Network, Running>>;

  constructor(options: TrainOptions) {
    this.#options = options;
    this.#states = new Map(options.from?.states);
    this.#records = [...(options.from?.position.records ?? [])];
    this.#running = { ...options.from?.position.running };
  }

  finished(phase: EpochRecord['phase']): number {
    return this.#records.filter((record) => record.phase === phase).length;
  }

  position(): Position {
    return { records: [...this.#records], running: { ...this.#running } };
  }

  /** One network's epoch, from where it stands. True when it was interrupted. */
  async *trainEpoch(network: Network, epoch: number, epochs: number): AsyncGenerator<Progress, boolean> {
    const { config, train: split, signal } = this.#options;
    const { batchSize, seed } = config;
    const steps = Math.floor(split.count / batchSize);
    let running: Running = this.#running[network] ?? { steps: 0, loss: 0, accuracy: 0 };
    if (running.steps === steps) return yield* this.#interrupted();
    const training = await this.#open(network);
    try {
      const order = epochOrder(split, seed, network, epoch);
      while (running.steps < steps && !signal?.aborted) {
        const start = running.steps * batchSize;
        const { image, label } = batchAt(split, order.subarray(start, start + batchSize));
        const { loss, accuracy } = await training.step({ image, label });
        if (!Number.isFinite(loss)) throw new Error(diverged(network, epoch, running.steps + 1, loss));
        running = {
          steps: running.steps + 1,
          loss: running.loss + loss!,
          accuracy: running.accuracy + accuracy!,
        };
        const done = running.steps * batchSize;
        yield { kind: 'step', network, epoch, epochs, done, total: steps * batchSize, ...means(running) };
      }
    } finally {
      this.#states.set(network, await training.state());
      this.#running[network] = running;
      await training.close();
    }
    return yield* this.#interrupted();
  }

  /** Scores after an epoch, its record, and the checkpoint that holds it. True when it was interrupted. */
  async *closeEpoch(
    phase: EpochRecord['phase'],
    epoch: number,
    networks: readonly Network[],
  ): AsyncGenerator<Progress, boolean> {
    const { config, test, signal } = this.#options;
    const scoring = evaluate(test, this.models(), config);
    let scores: { readonly c1: ClassifierScores; readonly c2: ClassifierScores } | undefined;
    try {
      while (!scores) {
        const next = await scoring.next();
        if (next.done) scores = next.value;
        else {
          yield { kind: 'evaluate', done: next.value, total: test.count };
          if (signal?.aborted) return yield* this.#interrupted();
        }
      }
    } finally {
      await scoring.return(undefined as never);
    }
    refuseInfinite(phase, epoch, scores);
    const train = Object.fromEntries(networks.map((network) => [network, means(this.#running[network]!)]));
    const record: EpochRecord = { phase, epoch, train, ...scores };
    this.#records.push(record);
    this.#running = {};
    yield { kind: 'epoch', record, checkpoint: this.#checkpoint() };
    return yield* this.#interrupted();
  }

  models(): Contestants {
    const { classifierModel, attackerModel } = this.#options.programs;
    const attacker = this.#states.get('attacker');
    return {
      c1: classifierModel(this.#states.get('c1')!),
      c2: classifierModel(this.#states.get('c2')!),
      ...(attacker && { attacker: attackerModel(attacker) }),
    };
  }

  async #open(network: Network): Promise<Training> {
    const { config, programs } = this.#options;
    const program = network === 'attacker' ? programs.attackerTrain : programs.classifierTrain;
    const state = this.#states.get(network) ?? initialState(program.metadata, [config.seed, network]);
    const frozen = network === 'attacker' ? this.#states.get('c1')! : new Map();
    return await openTraining(program, state, frozen, config);
  }

  #checkpoint(): Checkpoint {
    return { position: this.position(), states: new Map(this.#states) };
  }

  async *#interrupted(): AsyncGenerator<Progress, boolean> {
    if (!this.#options.signal?.aborted) return false;
    yield { kind: 'interrupted', checkpoint: this.#checkpoint() };
    return true;
  }
}

const means = ({ steps, loss, accuracy }: Running): { loss: number; accuracy: number } => ({
  loss: loss / steps,
  accuracy: accuracy / steps,
});

/** Weights can overflow in an epoch's last step, after its loss: then the scores show it, and no record may hold them. */
function refuseInfinite(
  phase: EpochRecord['phase'],
  epoch: number,
  scores: { readonly c1: ClassifierScores; readonly c2: ClassifierScores },
): void {
  for (const network of ['c1', 'c2'] as const) {
    for (const [images, { loss }] of Object.entries(scores[network])) {
      if (Number.isFinite(loss)) continue;
      throw new Error(
        `training diverged: loss ${loss} of ${network} on ${images} images after ${phase} epoch ${epoch}; ` +
          'try a smaller --learning-rate',
      );
    }
  }
}

const diverged = (network: Network, epoch: number, step: number, loss: number | undefined): string =>
  `training ${network} diverged: loss ${loss} in epoch ${epoch}, step ${step}; try a smaller --learning-rate`;
