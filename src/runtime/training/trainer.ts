import { epochOrder } from '../data/order.ts';
import type { ImageSource } from '../data/source.ts';
import { initialState, type ProgramFile, type SessionOptions } from '../session.ts';
import { openSteps, type Given, type Metrics, type Steps } from './steps.ts';
import type { Tensors } from '../tensor.ts';

/** Sums over the batches of an unfinished epoch. */
export interface Running {
  readonly steps: number;
  readonly loss: number;
  readonly accuracy: number;
}

/** Mean loss and accuracy over batches of attacked or clean images. */
export interface Means {
  readonly loss: number;
  readonly accuracy: number;
}

/** Some steps of training have been done: those that ran together. */
export interface Step<N extends string> extends Means {
  readonly kind: 'step';
  /** Those that the step trains; `loss` and `accuracy` are the first's, means over the epoch's batches so far. */
  readonly networks: readonly N[];
  readonly epoch: number;
  readonly epochs: number;
  /** Images of this epoch. */
  readonly done: number;
  readonly total: number;
}

/** A loss is not finite any more. No checkpoint may hold such weights. */
export class Diverged extends Error {
  override readonly name = 'Diverged';
  constructor(what: string) {
    super(`${what}; try a smaller --learning-rate`);
  }
}

/** The outputs of a program that measure one network. */
export interface MetricNames {
  readonly loss: string;
  readonly accuracy: string;
}

/** An epoch of one program, for a {@link Trainer}. */
export interface Epoch<N extends string> {
  /** The networks whose state the program holds. */
  readonly networks: readonly N[];
  readonly program: ProgramFile;
  /** The outputs that measure each network. */
  readonly metrics: Readonly<Partial<Record<N, MetricNames>>>;
  /** Weights that the program reads and does not train. */
  readonly frozen?: Tensors;
  /** What a step of the epoch, from 0, is given beside its examples. */
  readonly given?: (step: number) => Given;
  /** From 1, in its phase. */
  readonly epoch: number;
  readonly epochs: number;
  /** The order of the images is drawn for the first network and this number. */
  readonly order: number;
}

export interface TrainerOptions<N extends string> {
  readonly config: SessionOptions & { readonly seed: number; readonly batchSize: number };
  readonly split: ImageSource;
  /** Where to go on from. */
  readonly states: ReadonlyMap<N, Tensors>;
  readonly running: Readonly<Partial<Record<N, Running>>>;
  /** Milliseconds that a run of steps should take, 0 for one step a run. The bits do not depend on it. */
  readonly runTime: number;
  readonly signal?: AbortSignal | undefined;
}

/** Networks in training: their states, and how far each is in its epoch. */
export class Trainer<N extends string> {
  readonly #options: TrainerOptions<N>;
  readonly #states: Map<N, Tensors>;
  #running: Partial<Record<N, Running>>;

  constructor(options: TrainerOptions<N>) {
    this.#options = options;
    this.#states = new Map(options.states);
    this.#running = { ...options.running };
  }

  get states(): ReadonlyMap<N, Tensors> {
    return new Map(this.#states);
  }

  get running(): Readonly<Partial<Record<N, Running>>> {
    return { ...this.#running };
  }

  /** Means over the batches of the epoch, by network, which then counts as closed. */
  closeEpoch(): Partial<Record<N, Means>> {
    const running = this.#running;
    this.#running = {};
    const closed = Object.entries<Running | undefined>(running).map(([network, sums]) => [
      network,
      means(sums!),
    ]);
    return Object.fromEntries(closed) as Partial<Record<N, Means>>;
  }

  /**
   * The rest of an epoch, from where its networks stand, until it is done or the signal aborts.
   *
   * @throws Diverged when a loss is not finite; Error when the session fails. What was trained before the step that
   *   failed is then in `states` and `running`; if not even the state could be read, they are as they were before.
   */
  async *epoch({
    networks: trained,
    program,
    metrics,
    frozen,
    given,
    epoch,
    epochs,
    order: number,
  }: Epoch<N>): AsyncGenerator<Step<N>, void> {
    const { config, split, signal } = this.#options;
    const { batchSize, seed } = config;
    const total = Math.floor(split.count / batchSize);
    const [first] = trained;
    let running = trained.map((network) => this.#running[network] ?? { steps: 0, loss: 0, accuracy: 0 });
    if (running[0]!.steps === total || signal?.aborted) return;
    const training = await this.#open(trained, program, frozen ?? new Map());
    let atOnce = 1;
    try {
      const order = epochOrder(split, seed, first!, number);
      while (running[0]!.steps < total && !signal?.aborted) {
        const { steps } = running[0]!;
        const batches = Array.from({ length: Math.min(atOnce, total - steps) }, (_, i) =>
          order.subarray((steps + i) * batchSize, (steps + i + 1) * batchSize),
        );
        const start = performance.now();
        const measured = await training.run(batches, given && batches.map((_, i) => given(steps + i)));
        const perStep = (performance.now() - start) / batches.length;
        if (training.repeats) {
          atOnce = Math.max(1, Math.min(Math.round(this.#options.runTime / perStep), mostAtOnce));
        }
        running = trained.map((network, i) =>
          measured.reduce<Running>(
            (sum, step) => added(sum, step, metrics[network]!, network, epoch),
            running[i]!,
          ),
        );
        const done = running[0]!.steps * batchSize;
        yield {
          kind: 'step',
          networks: trained,
          epoch,
          epochs,
          done,
          total: total * batchSize,
          ...means(running[0]!),
        };
      }
      this.#keep(trained, await training.state(), running);
    } catch (error) {
      // a session that has failed in a step may still give the state before it
      const state = await training.state().catch(() => null);
      if (state) this.#keep(trained, state, running);
      throw error;
    } finally {
      await training.close();
    }
  }

  async #open(trained: readonly N[], program: ProgramFile, frozen: Tensors): Promise<Steps> {
    const { config } = this.#options;
    const known = new Map(trained.flatMap((network) => [...(this.#states.get(network) ?? [])]));
    for (const network of trained) {
      if (this.#states.has(network)) continue;
      const state = program.metadata.state.filter(({ name }) => !known.has(name));
      const begin = initialState({ ...program.metadata, state }, [config.seed, network]);
      this.#states.set(network, begin);
      begin.forEach((tensor, name) => known.set(name, tensor));
    }
    return await openSteps(program, known, frozen, this.#options.split, config);
  }

  /** Each network takes the part of a program's state that it brought. */
  #keep(trained: readonly N[], state: Tensors, running: readonly Running[]): void {
    trained.forEach((network, i) => {
      const names = [...this.#states.get(network)!.keys()];
      this.#states.set(network, new Map(names.map((name) => [name, state.get(name)!])));
      this.#running[network] = running[i]!;
    });
  }
}

function added(
  { steps, loss, accuracy }: Running,
  measured: Metrics,
  names: MetricNames,
  network: string,
  epoch: number,
): Running {
  const next = measured[names.loss]!;
  if (!Number.isFinite(next)) {
    throw new Diverged(`training ${network} diverged: loss ${next} in epoch ${epoch}, step ${steps + 1}`);
  }
  return { steps: steps + 1, loss: loss + next, accuracy: accuracy + measured[names.accuracy]! };
}

/** Steps in one run at the most: by then the copy of the state counts for nothing. */
const mostAtOnce = 50;

/** What a batch measured, on average. */
const means = ({ steps, loss, accuracy }: Running): Means => ({
  loss: loss / steps,
  accuracy: accuracy / steps,
});
