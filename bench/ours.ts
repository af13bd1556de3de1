import {
  bind,
  constant,
  lower,
  readback,
  type Dim,
  type Program,
  type Target,
} from '../src/builder/index.ts';
import { encode, encodeProgram } from '../src/onnx/index.ts';
import {
  attackerInfer,
  attackerTrain,
  classifierInfer,
  classifierTrain,
  hardenedTrain,
  onStored,
} from '../src/models/programs.ts';
import { defenceDefaults } from '../src/models/adversarial.ts';
import { float32 } from '../src/runtime/tensor.ts';
import { batchAt } from '../src/runtime/data/source.ts';
import {
  initialState,
  openModel,
  stream,
  type SessionOptions,
  type Tensor,
  type Tensors,
} from '../src/runtime/index.ts';
import type { Random } from '../src/runtime/random.ts';
import { openSteps } from '../src/runtime/training/steps.ts';
import { sourceOf } from '../test/support/idx.ts';
import { timed } from './timing.ts';

/** What is timed: a training step, or an inference, of C or of A; `d-step` is C's against PGD with 7 steps (`train --defence pgd`). */
export type StepName = 'c-step' | 'a-step' | 'd-step';
export type JobName = StepName | 'c-infer' | 'a-infer';

/** Something to time, ready to run. */
export interface Job {
  /** Milliseconds of a run, of each of `runs`; or their mean where they are one call, as steps of training are. */
  time(runs: number): Promise<readonly number[]>;
  close(): Promise<void>;
}

const threat = { eps: 0.16, bound: 'tanh', clip: true } as const;

/** The programs of training steps, by job. */
export function trainingPrograms(batchSize: number): Readonly<Record<StepName, Program>> {
  const settings = { batchSize, learningRate: 1e-3 };
  const defence = { method: 'pgd', norm: 'linf', ...defenceDefaults.pgd } as const;
  return {
    'c-step': classifierTrain(settings),
    'a-step': attackerTrain({ ...settings, ...threat }),
    'd-step': hardenedTrain({ batchSize, defence }),
  };
}

/** What a step is given beside images and labels: random numbers for the bytes of noise. */
export const givenOf = ({ metadata }: Program, random: Random): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(
    metadata.data
      .filter(({ name }) => name !== 'image' && name !== 'label')
      .map(({ name, shape }) => [
        name,
        name === 'noise'
          ? {
              dtype: 'uint8',
              shape: shape as readonly number[],
              data: Uint8Array.from({ length: elementsOf(shape) }, () => random.below(256)),
            }
          : float32([], Float32Array.of(name === 'rate' ? 1e-3 : 0.3)),
      ]),
  );

const elementsOf = (shape: readonly Dim[]): number => shape.reduce<number>((n, dim) => n * Number(dim), 1);

/** One of our jobs, on random images, with freshly drawn weights. */
export async function ourJob(name: JobName, batchSize: number, options: SessionOptions): Promise<Job> {
  const { device: target } = options;
  const random = stream('bench', batchSize);
  const split = sourceOf({
    images: Uint8Array.from({ length: batchSize * 784 }, () => random.below(256)),
    labels: Uint8Array.from({ length: batchSize }, () => random.below(10)),
  });
  const batch = Array.from({ length: batchSize }, (_, i) => i);
  const programs = trainingPrograms(batchSize);
  const drawn = (step: StepName): Tensors =>
    initialState(programs[step].metadata, ['bench', step === 'a-step' ? 'a' : 'c']);
  const train = async (step: StepName): Promise<Job> => {
    const program = programs[step];
    const given = givenOf(program, random);
    const single = { ...program, graph: lower(program.graph, target) };
    // as in training: many steps in one call where state would be copied between calls
    const form = target === 'webgpu' ? single : onStored(single);
    const file = {
      bytes: encodeProgram(form),
      metadata: form.metadata,
      ...(target === 'webgpu' && { readback: encode(readback(program)) }),
    };
    const steps = await openSteps(file, drawn(step), drawn('c-step'), split, options);
    return {
      async time(runs) {
        const batches = Array.from({ length: runs }, () => batch);
        const start = performance.now();
        await steps.run(
          batches,
          batches.map(() => given),
        );
        return [(performance.now() - start) / runs];
      },
      close: () => steps.close(),
    };
  };
  const infer = async (program: Program, state: Tensors): Promise<Job> => {
    const model = await openModel(withWeights(program, state, target), options);
    const { image } = batchAt(split, batch);
    return {
      time: (runs) => timed(async () => void (await model.run({ image })), runs),
      close: () => model.close(),
    };
  };
  switch (name) {
    case 'c-step':
    case 'a-step':
    case 'd-step':
      return await train(name);
    case 'c-infer':
      return await infer(classifierInfer(), drawn('c-step'));
    case 'a-infer':
      return await infer(attackerInfer(threat), drawn('a-step'));
    default:
      return name satisfies never;
  }
}

/** A program with its weights inside, as an ONNX file. */
function withWeights(program: Program, state: Tensors, target: Target): Uint8Array {
  const values = program.metadata.frozen.map(({ name }) => [name, constant(state.get(name)!, name)] as const);
  const graph = lower(bind(program.graph, new Map(values)), target);
  return encodeProgram({ ...program, graph });
}

/** A as a run leaves it behind, with freshly drawn weights. */
export function attackerModel(): Uint8Array {
  const { metadata } = attackerTrain({ batchSize: 1, learningRate: 1e-3, ...threat });
  return withWeights(attackerInfer(threat), initialState(metadata, ['bench', 'a']), 'cpu');
}
