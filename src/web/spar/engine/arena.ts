import { epochOrder } from '../../../runtime/data/order.ts';
import { batchAt, range } from '../../../runtime/data/source.ts';
import {
  initialState,
  openModel,
  openTraining,
  type Model,
  type ProgramFile,
  type SessionOptions,
  type Training,
} from '../../../runtime/session.ts';
import type { Tensor, Tensors } from '../../../runtime/tensor.ts';
import type { SparSettings } from '../settings.ts';
import type { SparDigits } from './digits.ts';
import { sparPrograms } from './programs.ts';
import type { Measured, Phase, Ring } from './protocol.ts';

/** Steps in which both classifiers learn to read. */
export const schoolSteps = 100;

/** What computes: a processor that stands in for a GPU takes ten times as long as WASM. */
export type Machine = 'cpu' | 'webgpu' | 'software';

/** Digits of a step, few so that a step of a small A is short, and test digits that are measured. */
const amounts: Readonly<Record<Machine, { readonly batch: number; readonly measured: number }>> = {
  cpu: { batch: 32, measured: 200 },
  webgpu: { batch: 32, measured: 200 },
  software: { batch: 8, measured: 40 },
};

/** What training has begun with, and where it is. */
interface Running {
  readonly training: Training;
  /** The networks whose state it holds. */
  readonly networks: readonly Network[];
}

type Network = 'c1' | 'c2' | 'attacker';

/** How many images a classifier reads right, and the classes that it gives the first ten. */
interface Answers {
  readonly accuracy: number;
  readonly reads: readonly number[];
}

/** A program of inference that is fed its weights. */
interface Open {
  readonly model: Model;
  readonly program: ProgramFile;
}

/** C1, C2 and A, their weights, and the sessions that train and measure them. One call at a time. */
export class Arena {
  readonly #digits: SparDigits;
  readonly #amounts: (typeof amounts)[Machine];
  readonly #options: SessionOptions;
  readonly #programs: ReturnType<typeof sparPrograms>;
  #settings: SparSettings;
  /** The state of each network when it was last read. */
  #states = new Map<Network, Tensors>();
  #school: readonly Running[] = [];
  #spar: Running | null = null;
  #classifier: Open | null = null;
  #attacker: Open | null = null;
  #step = 0;
  /** What each classifier answers to the test digits, until it is trained again. */
  readonly #clean = new Map<'c1' | 'c2', Answers>();
  #orders = new Map<Network, readonly [epoch: number, order: Uint32Array]>();

  constructor(
    digits: SparDigits,
    { machine, threads }: { readonly machine: Machine; readonly threads: number },
    settings: SparSettings,
  ) {
    this.#digits = digits;
    this.#amounts = amounts[machine];
    this.#options = { device: machine === 'cpu' ? 'cpu' : 'webgpu', threads };
    this.#programs = sparPrograms(machine, this.#amounts.batch);
    this.#settings = settings;
  }

  get phase(): Phase {
    return this.#step < schoolSteps ? 'school' : 'spar';
  }
  get step(): number {
    return this.#step;
  }

  /** One step of training of this phase. */
  async train(): Promise<void> {
    if (this.phase === 'school') {
      if (this.#school.length === 0) this.#school = [await this.#begin('c1'), await this.#begin('c2')];
      for (const { training, networks } of this.#school)
        await training.step(this.#batch(networks[0]!, this.#step));
    } else {
      await this.#leaveSchool();
      this.#spar ??= await this.#beginSpar();
      await this.#spar.training.step(this.#batch('attacker', this.#step - schoolSteps));
    }
    this.#step++;
  }

  /** Goes on with other settings. Those of the networks themselves, seed and width, stay. */
  async change(settings: SparSettings): Promise<void> {
    const { mode, eps, learningRate } = this.#settings;
    this.#settings = { ...settings, seed: this.#settings.seed, width: this.#settings.width };
    if (mode === settings.mode && eps === settings.eps && learningRate === settings.learningRate) return;
    if (this.#spar) {
      await this.#read(this.#spar);
      await this.#spar.training.close();
      this.#spar = null;
    }
    if (eps !== settings.eps) {
      await this.#attacker?.model.close();
      this.#attacker = null;
    }
  }

  /** How all networks do now on test digits. */
  async measure(): Promise<{ readonly measured: Measured; readonly ring: Ring }> {
    for (const running of [...this.#school, ...(this.#spar ? [this.#spar] : [])]) await this.#read(running);
    const { phase } = this;
    const count = Math.min(this.#amounts.measured, this.#digits.test.count);
    const { image, label } = batchAt(this.#digits.test, range(0, count));
    for (const network of ['c1', 'c2'] as const) {
      if (!this.#clean.has(network)) this.#clean.set(network, await this.#classify(network, image, label));
    }
    const [clean1, clean2] = [this.#clean.get('c1')!, this.#clean.get('c2')!];
    const attack = this.#states.has('attacker') ? await this.#attack(image, label) : null;
    const attacked2 = attack && (await this.#classify('c2', attack.images, label));
    return {
      measured: {
        phase,
        step: this.#step,
        c1: { clean: clean1.accuracy, attacked: attack && attack.accuracy },
        c2: { clean: clean2.accuracy, attacked: attacked2 && attacked2.accuracy },
        digits: count,
      },
      ring: {
        original: ten(image),
        attacked: ten(attack?.images ?? image),
        c1: attack?.reads ?? clean1.reads,
        c2: (attacked2 ?? clean2).reads,
      },
    };
  }

  async close(): Promise<void> {
    for (const { training } of [...this.#school, ...(this.#spar ? [this.#spar] : [])]) await training.close();
    await this.#classifier?.model.close();
    await this.#attacker?.model.close();
  }

  async #begin(network: 'c1' | 'c2'): Promise<Running> {
    const program = this.#programs.school;
    const state = initialState(program.metadata, [this.#settings.seed, network]);
    this.#states.set(network, state);
    const training = await openTraining(program, state, new Map(), this.#options);
    return { training, networks: [network] };
  }

  async #beginSpar(): Promise<Running> {
    const program = this.#programs.spar(this.#settings);
    const c1 = this.#states.get('c1')!;
    if (!this.#states.has('attacker')) this.#states.set('attacker', this.#newAttacker(program, c1));
    const state = new Map([...c1, ...this.#states.get('attacker')!]);
    const networks =
      this.#settings.mode === 'consecutive' ? (['attacker'] as const) : (['attacker', 'c1'] as const);
    return { training: await openTraining(program, state, c1, this.#options), networks };
  }

  #newAttacker({ metadata }: ProgramFile, c1: Tensors): Tensors {
    const state = metadata.state.filter(({ name }) => !c1.has(name));
    return initialState({ ...metadata, state }, [this.#settings.seed, 'attacker']);
  }

  async #leaveSchool(): Promise<void> {
    for (const running of this.#school) {
      await this.#read(running);
      await running.training.close();
    }
    this.#school = [];
  }

  /** Copies the state of networks in training. */
  async #read({ training, networks }: Running): Promise<void> {
    const state = await training.state();
    for (const network of networks) {
      if (network !== 'attacker') this.#clean.delete(network);
      const names = this.#states.get(network)!.keys();
      // in other programs a classifier has more state: what this one does not hold is as it was
      const own = this.#states.get(network)!;
      this.#states.set(network, new Map([...names].map((name) => [name, state.get(name) ?? own.get(name)!])));
    }
  }

  /** The digits of a step: each network sees all of them once an epoch, in an order of its own. */
  #batch(network: Network, step: number): { readonly image: Tensor; readonly label: Tensor } {
    const { train } = this.#digits;
    const { batch } = this.#amounts;
    const perEpoch = Math.floor(train.count / batch);
    const epoch = Math.floor(step / perEpoch);
    const known = this.#orders.get(network);
    const order =
      known?.[0] === epoch
        ? known[1]
        : Uint32Array.from(epochOrder(train, this.#settings.seed, network, epoch));
    this.#orders.set(network, [epoch, order]);
    const at = (step % perEpoch) * batch;
    return batchAt(train, order.subarray(at, at + batch));
  }

  async #classify(network: 'c1' | 'c2', image: Tensor, label: Tensor): Promise<Answers> {
    this.#classifier ??= await this.#open(this.#programs.classifier);
    const { accuracy, logits } = await ran(this.#classifier, { image, label }, this.#states.get(network)!);
    return { accuracy: accuracy!.data[0] as number, reads: topOfTen(logits!) };
  }

  /** The images as A changes them, and what C1 answers. */
  async #attack(image: Tensor, label: Tensor): Promise<Answers & { readonly images: Tensor }> {
    this.#attacker ??= await this.#open(this.#programs.attacker(this.#settings));
    const both = new Map([...this.#states.get('c1')!, ...this.#states.get('attacker')!]);
    const { attacked, accuracy } = await ran(this.#attacker, { image, label }, both);
    const some = { image: first(10, attacked!), label: first(10, label) };
    const { reads } = await this.#classify('c1', some.image, some.label);
    return { images: attacked!, accuracy: accuracy!.data[0] as number, reads };
  }

  async #open(program: ProgramFile): Promise<Open> {
    return { program, model: await openModel(program.bytes, this.#options) };
  }
}

/** Runs a program on images with the weights of its networks. */
function ran(
  { model, program }: Open,
  data: Readonly<Record<string, Tensor>>,
  weights: Tensors,
): ReturnType<Model['run']> {
  const own = program.metadata.frozen.map(({ name }) => [name, weights.get(name)!] as const);
  return model.run({ ...data, ...Object.fromEntries(own) });
}

/** The first rows of a tensor. */
const first = (count: number, { data, shape: [rows, ...row], ...rest }: Tensor): Tensor => ({
  ...rest,
  shape: [count, ...row],
  data: data.slice(0, (count * data.length) / rows!) as Tensor['data'],
});

const ten = (images: Tensor): Float32Array => first(10, images).data as Float32Array;

/** The class of each of the first ten. */
const topOfTen = ({ data, shape }: Tensor): readonly number[] =>
  Array.from({ length: 10 }, (_, i) => {
    const row = (data as Float32Array).subarray(i * shape[1]!, (i + 1) * shape[1]!);
    return row.indexOf(Math.max(...row));
  });
