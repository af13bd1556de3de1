import { toEnd } from '../attacks/index.ts';
import { openOracle } from '../audit/oracle.ts';
import type { AttackSettings } from '../audit/schema.ts';
import { heldOut } from '../data/chosen.ts';
import type { ImageSource } from '../data/source.ts';
import { initialState, type ProgramFile } from '../session.ts';
import type { Tensors } from '../tensor.ts';
import {
  hardenDefaults,
  hardenEpochs,
  judgedBy,
  judgeSteps,
  validationOf,
  type HardenCheckpoint,
  type HardenProgress,
  type Judged,
} from '../training/harden.ts';
import { attackWith } from './attacked.ts';
import type { CellConfig } from './config.ts';
import type { MakeGradient } from './sessions.ts';

/** What mode `hardened` needs beside the programs of every cell. */
export interface HardeningPrograms {
  /** One step of C1 on attacked images (`hardenedTrain`). Its state begins with the weights of C1. */
  readonly train: ProgramFile;
  readonly makeGradient: MakeGradient;
}

/** What the hardening of a cell's C1 needs. */
export interface HardeningOptions {
  readonly config: CellConfig;
  readonly train: ImageSource;
  readonly programs: HardeningPrograms & { readonly classifierModel: (weights: Tensors) => Uint8Array };
  /** C1 after the clean epochs. */
  readonly c1: Tensors;
  /** Where to go on from. */
  readonly from?: HardenCheckpoint | null;
  readonly runTime?: number;
  readonly signal?: AbortSignal;
}

/**
 * Hardens C1 of a cell of mode `hardened`: some epochs on attacked training images, judged by PGD on images that are held out
 * of them. Deterministic, interrupted and continued or not.
 */
export async function* hardenC1({
  config,
  train,
  programs,
  c1,
  from,
  runTime,
  signal,
}: HardeningOptions): AsyncGenerator<HardenProgress, void> {
  const { eps, batchSize, learningRate, seed, device, threads } = config;
  const { epochs } = config.defence!;
  const [validation, others] = heldOut(train, validationOf(train.count), seed);
  // the weights alone: the optimizer is another, and has not moved
  const begin = new Map([...initialState(programs.train.metadata, []), ...weightsIn(c1)]);
  yield* hardenEpochs({
    settings: { ...hardenDefaults(epochs), eps, epochs, batchSize, learningRate, seed },
    device,
    threads,
    program: programs.train,
    train: others,
    from: from ?? { records: [], running: null, state: begin, best: null },
    judge: (state) => judge(programs.classifierModel(state), validation, config, programs),
    validation: validation.count,
    signal,
    ...(runTime !== undefined && { runTime }),
  });
}

/** The weights that a hardening ends with: those of its best epoch. */
export const hardenedWeights = ({ best, state }: HardenCheckpoint): Tensors => weightsIn(best ?? state);

const weightsIn = (state: Tensors): Tensors =>
  new Map([...state].filter(([name]) => name.startsWith('classifier/')));

async function* judge(
  classifier: Uint8Array,
  images: ImageSource,
  { eps, clip, seed, device, threads }: CellConfig,
  { makeGradient }: HardeningPrograms,
): AsyncGenerator<number, Judged> {
  const settings: AttackSettings = {
    attack: 'pgd',
    loss: 'cross-entropy',
    steps: judgeSteps,
    stepSize: 2.5 / judgeSteps,
    restarts: 1,
    start: 'uniform',
    seed,
  };
  const oracle = await openOracle(
    {
      classifier,
      image: images.shape,
      classes: images.classes.length,
      gradient: (loss) => makeGradient(classifier, loss),
    },
    { device, threads },
  );
  try {
    const asked = { known: oracle, judges: { c1: oracle } };
    const clean = await toEnd(attackWith(images, asked, { eps, clip }, null));
    const attacked = yield* attackWith(images, asked, { eps, clip }, settings);
    return judgedBy(clean.c1, attacked.c1);
  } finally {
    await oracle.close();
  }
}
