import type { Checkpoint } from './checkpoint.ts';
import type { CellConfig, ClassifierConfig } from './config.ts';
import {
  classifierRecords,
  furtherTargets,
  rank,
  type ClassifierRecord,
  type Confusions,
  type EpochRecord,
  type Network,
} from './records.ts';
import type { ImageSource, StoredSource } from '../data/source.ts';
import type { HardeningPrograms } from './hardening.ts';
import { evaluate, evaluateNoise, type BothScores, type TrainedModels } from './scores.ts';
import type { ProgramFile } from '../session.ts';
import { prefixed, under, type Tensors } from '../tensor.ts';
import { Diverged, Trainer, type Epoch, type Means, type Step } from '../training/trainer.ts';

/** The programs of a cell, and how trained weights become models that stand alone. */
export interface Programs {
  readonly classifierTrain: ProgramFile;
  /** One step of A against the frozen C1; in mode `alternating` one of A and one of C1. */
  readonly attackerTrain: ProgramFile;
  /** Of mode `hardened` alone. */
  readonly hardening?: HardeningPrograms;
  /** `image` -> `logits`, `probabilities`, with the weights inside. */
  readonly classifierModel: (weights: Tensors) => Uint8Array;
  /** `image` -> `perturbation`, `attacked`, with the weights inside. */
  readonly attackerModel: (weights: Tensors) => Uint8Array;
  /** Classifiers that stand in the places of C1 and C2 and are not trained. */
  readonly given?: Pick<TrainedModels, 'c1' | 'c2'>;
}

/** What happens during a training, in order. Its records are a cell's, or classifiers'. */
export type Progress<R = EpochRecord> =
  | Step<Network>
  | { readonly kind: 'evaluate'; readonly done: number; readonly total: number }
  | { readonly kind: 'epoch'; readonly record: R; readonly checkpoint: Checkpoint<R> }
  /** The last event after an abort, or when a session failed: `error` says how. */
  | { readonly kind: 'interrupted'; readonly checkpoint: Checkpoint<R>; readonly error?: Error }
  | { readonly kind: 'done'; readonly checkpoint: Checkpoint<R> };

interface Options<C, P, R> {
  readonly config: C;
  readonly train: StoredSource;
  readonly test: ImageSource;
  readonly programs: P;
  /** Where to go on from. */
  readonly from?: Checkpoint<R> | null;
  /** Milliseconds that steps should run before there is an event, 0 for one step an event; 1,400 when absent. */
  readonly runTime?: number;
  /** Aborting ends the training after the steps in progress with an `interrupted` event, which holds a checkpoint. */
  readonly signal?: AbortSignal;
}

export type ClassifierOptions = Options<
  ClassifierConfig,
  Pick<Programs, 'classifierTrain' | 'classifierModel'>,
  ClassifierRecord
>;

/**
 * Phase 1 of every mode (paper, section 2.1): C1, C2 and further targets on clean images, with different seeds and the
 * same epochs. Deterministic, interrupted and continued or not: the same configuration and data give the same bits.
 */
export async function* trainClassifiers(
  options: ClassifierOptions,
): AsyncGenerator<Progress<ClassifierRecord>, void> {
  const { config, test, programs, from } = options;
  const networks: readonly Network[] = ['c1', 'c2', ...furtherTargets(config.targets)];
  yield* follow(options, from?.position.records ?? [], from?.states ?? new Map(), {
    epochs: config.epochs.at(-1)!,
    before: 0,
    tasks: (epoch, epochs) => networks.map((network) => alone(network, programs, epoch, epochs)),
    score: (states) => evaluateNoise(test, classifierModels(states, programs), measured(config)),
    record: (epoch, train, scores) => ({ epoch, train, scores: [...scores] }),
    each: (scores) => scores,
  });
}

export interface CellOptions extends Options<CellConfig, Programs, EpochRecord> {
  /**
   * The classifiers after the cell's `classifierEpochs`, C1 hardened where the cell's mode says so (`hardenC1`); null where
   * they are given.
   */
  readonly classifiers: Checkpoint<ClassifierRecord> | null;
}

/**
 * Phase 2 of a cell. Modes `consecutive` (paper, section 2.1.1) and `hardened`: A against C1 as it is. Mode `alternating`
 * (2.1.2): on each batch a step of A and one of C1, which learns from the attacked images; and C2 goes on with clean images for as many
 * epochs. Deterministic, as {@link trainClassifiers} is. The records begin with those of the classifiers.
 */
export async function* trainCell(options: CellOptions): AsyncGenerator<Progress, void> {
  const { config, test, programs, classifiers, from } = options;
  const { mode, eps, classifierEpochs } = config;
  const begin = from ?? {
    position: { records: classifiers ? classifierRecords(classifiers, eps) : [] },
    states: classifiers?.states ?? new Map<Network, Tensors>(),
  };
  yield* follow(options, begin.position.records, begin.states, {
    epochs: config.attackerEpochs,
    before: classifierEpochs,
    tasks(epoch, epochs, states) {
      const further = furtherTargets(config.targets).map((network) =>
        prefixed(`${network}/`, under('classifier/', states.get(network)!)),
      );
      const attack = { program: programs.attackerTrain, epoch, epochs, order: epoch };
      if (mode === 'alternating') {
        return [
          {
            ...attack,
            networks: ['attacker', 'c1'],
            metrics: alternatingMetrics,
            frozen: joined(...further),
          },
          { ...alone('c2', programs, epoch, epochs), order: classifierEpochs + epoch },
        ];
      }
      const metrics = { attacker: { loss: 'loss', accuracy: 'accuracy' } };
      return [{ ...attack, networks: ['attacker'], metrics, frozen: joined(states.get('c1'), ...further) }];
    },
    score: (states) => evaluate(test, modelsOf(states, programs), measured(config)),
    record: (epoch, train, { c1, c2 }) => ({ phase: 'attacker', epoch, train, c1, c2 }),
    each: (scores) => [scores],
    confusions: (scores) => scores.confusions,
  });
}

/** Where networks normalise by the batch, they are measured in the batches that they learn in. */
const measured = <C extends CellConfig | ClassifierConfig>(
  config: C,
): C & { readonly measuredAt?: number } =>
  config.readings?.includes('batch-statistics') ? { ...config, measuredAt: config.batchSize } : config;

/** The models of a cell's networks as they stand in a checkpoint. */
export function modelsOf(states: ReadonlyMap<Network, Tensors>, programs: Programs): Required<TrainedModels> {
  return {
    ...classifierModels(states, programs),
    attacker: programs.attackerModel(states.get('attacker')!),
  };
}

const classifierModels = (
  states: ReadonlyMap<Network, Tensors>,
  { classifierModel, given }: Pick<Programs, 'classifierModel' | 'given'>,
): Pick<TrainedModels, 'c1' | 'c2'> =>
  given ?? { c1: classifierModel(states.get('c1')!), c2: classifierModel(states.get('c2')!) };

const joined = (...all: readonly (Tensors | undefined)[]): Tensors =>
  new Map(all.flatMap((tensors) => [...(tensors ?? [])]));

const alone = (
  network: Network,
  { classifierTrain: program }: Pick<Programs, 'classifierTrain'>,
  epoch: number,
  epochs: number,
): Epoch<Network> => ({
  networks: [network],
  program,
  metrics: { [network]: { loss: 'loss', accuracy: 'accuracy' } },
  epoch,
  epochs,
  order: epoch,
});

const alternatingMetrics = {
  attacker: { loss: 'attacker/loss', accuracy: 'attacker/accuracy' },
  c1: { loss: 'classifier/loss', accuracy: 'classifier/accuracy' },
};

/** What a phase does in its epochs, and how it writes them down. */
interface Plan<R, S> {
  readonly epochs: number;
  /** Records of other epochs, which come first. */
  readonly before: number;
  /** What is trained in an epoch, one after the other. */
  tasks(epoch: number, epochs: number, states: ReadonlyMap<Network, Tensors>): readonly Epoch<Network>[];
  score(states: ReadonlyMap<Network, Tensors>): AsyncGenerator<number, S>;
  record(epoch: number, train: Partial<Record<Network, Means>>, scores: S): R;
  each(scores: S): readonly BothScores[];
  /** Absent where there is no attacker. */
  confusions?(scores: S): Confusions | undefined;
}

/** Epoch after epoch of a plan. */
async function* follow<C extends CellConfig | ClassifierConfig, P, R, S>(
  { config, train, test, from, signal, runTime = 1400 }: Options<C, P, R>,
  begun: readonly R[],
  states: ReadonlyMap<Network, Tensors>,
  plan: Plan<R, S>,
): AsyncGenerator<Progress<R>, void> {
  const records = [...begun];
  const running = from?.position.running ?? {};
  const trainer = new Trainer({ config, split: train, states, running, runTime, signal });
  let confusions = from?.confusions;
  const checkpoint = (): Checkpoint<R> => ({
    position: { records: [...records], running: trainer.running },
    states: trainer.states,
    ...(confusions && { confusions }),
  });
  try {
    for (let epoch = records.length - plan.before + 1; epoch <= plan.epochs; epoch++) {
      for (const task of plan.tasks(epoch, plan.epochs, trainer.states)) {
        yield* trainer.epoch(task);
        if (signal?.aborted) return yield { kind: 'interrupted', checkpoint: checkpoint() };
      }
      const scoring = plan.score(trainer.states);
      let next = await scoring.next();
      for (; !next.done; next = await scoring.next()) {
        yield { kind: 'evaluate', done: next.value, total: test.count };
        if (signal?.aborted) {
          await scoring.return(undefined as never);
          return yield { kind: 'interrupted', checkpoint: checkpoint() };
        }
      }
      plan.each(next.value).forEach((scores) => refuseInfinite(epoch, scores));
      confusions = plan.confusions?.(next.value);
      const record = plan.record(epoch, ranked(trainer.closeEpoch()), next.value);
      records.push(record);
      yield { kind: 'epoch', record, checkpoint: checkpoint() };
      if (signal?.aborted) return yield { kind: 'interrupted', checkpoint: checkpoint() };
    }
  } catch (error) {
    if (error instanceof Diverged) throw error;
    return yield { kind: 'interrupted', checkpoint: checkpoint(), error: error as Error };
  }
  yield { kind: 'done', checkpoint: checkpoint() };
}

const ranked = (means: Partial<Record<Network, Means>>): Partial<Record<Network, Means>> =>
  Object.fromEntries((Object.entries(means) as [Network, Means][]).toSorted(([a], [b]) => rank(a) - rank(b)));

/** Weights can overflow in an epoch's last step, after its loss: then the scores show it, and no record may hold them. */
function refuseInfinite(epoch: number, scores: BothScores): void {
  for (const network of ['c1', 'c2'] as const) {
    const attacked = scores[network].attacked !== undefined;
    for (const [images, { loss }] of Object.entries(scores[network])) {
      if (Number.isFinite(loss)) continue;
      const phase = attacked ? 'attacker' : 'classifier';
      throw new Diverged(
        `training diverged: loss ${loss} of ${network} on ${images} images after ${phase} epoch ${epoch}`,
      );
    }
  }
}
