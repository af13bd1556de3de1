import { bind, constant, lower, readback, type Program, type Target } from '../src/builder/index.ts';
import { encode, encodeProgram } from '../src/onnx/index.ts';
import {
  attackerInfer,
  attackerTrain,
  classifierInfer,
  classifierTrain,
  onStored,
} from '../src/models/programs.ts';
import { beginning, programFile } from '../src/api/hardening.ts';
import { adversarialTrain, defenceDefaults } from '../src/models/adversarial.ts';
import { hasGraph, readClassifier } from '../src/models/classifier/read.ts';
import { tunable } from '../src/models/classifier/tune.ts';
import { float32 } from '../src/runtime/tensor.ts';
import { batchAt } from '../src/runtime/data/source.ts';
import { initialState, openModel, stream, type SessionOptions, type Tensors } from '../src/runtime/index.ts';
import { openSteps } from '../src/runtime/training/steps.ts';
import { sourceOf } from '../test/support/idx.ts';
import { timed } from './timing.ts';

/** What is timed: a training step, or an inference, of C or of A; `d-step` is C's against PGD with 7 steps, as `harden` does it. */
export type JobName = 'c-step' | 'a-step' | 'd-step' | 'c-infer' | 'a-infer';

/** Something to time, ready to run. */
export interface Job {
  /** Milliseconds of a run, of each of `runs`; or their mean where they are one call, as steps of training are. */
  time(runs: number): Promise<readonly number[]>;
  close(): Promise<void>;
}

const threat = { eps: 0.16, bound: 'tanh', clip: true } as const;

/** The program of a step, and the classifier's, whose weights A's reads. */
export function trainingPrograms(
  job: 'c-step' | 'a-step',
  batchSize: number,
): { readonly program: Program; readonly classifier: Program } {
  const settings = { batchSize, learningRate: 1e-3 };
  const classifier = classifierTrain(settings);
  return { program: job === 'c-step' ? classifier : attackerTrain({ ...settings, ...threat }), classifier };
}

/** One of our jobs, on random images, with freshly drawn weights. */
export async function ourJob(name: JobName, batchSize: number, options: SessionOptions): Promise<Job> {
  const { device: target } = options;
  const random = stream('bench', batchSize);
  const split = sourceOf({
    images: Uint8Array.from({ length: batchSize * 784 }, () => random.below(256)),
    labels: Uint8Array.from({ length: batchSize }, () => random.below(10)),
  });
  const batch = Array.from({ length: batchSize }, (_, i) => i);
  const c = trainingPrograms('c-step', batchSize).program;
  const a = trainingPrograms('a-step', batchSize).program;
  const weights = {
    c: initialState(c.metadata, ['bench', 'c']),
    a: initialState(a.metadata, ['bench', 'a']),
  };
  const train = async (program: Program, state: Tensors): Promise<Job> => {
    const single = { ...program, graph: lower(program.graph, target) };
    // as in training: many steps in one call where state would be copied between calls
    const form = target === 'webgpu' ? single : onStored(single);
    const file = {
      bytes: encodeProgram(form),
      metadata: form.metadata,
      ...(target === 'webgpu' && { readback: encode(readback(program)) }),
    };
    const steps = await openSteps(file, state, weights.c, split, options);
    return {
      async time(runs) {
        const start = performance.now();
        await steps.run(Array.from({ length: runs }, () => batch));
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
  const defend = async (): Promise<Job> => {
    const { tuned, file } = defenceProgram(
      withWeights(classifierInfer(), weights.c, 'plain'),
      batchSize,
      target,
    );
    const steps = await openSteps(file, beginning(tuned, file), new Map(), split, options);
    const given = {
      noise: {
        dtype: 'uint8',
        shape: [batchSize, 1, 28, 28],
        data: Uint8Array.from({ length: batchSize * 784 }, () => random.below(256)),
      },
      rate: float32([], Float32Array.of(1e-3)),
      eps: float32([], Float32Array.of(0.3)),
    } as const;
    return {
      async time(runs) {
        const all = Array.from({ length: runs }, () => batch);
        const start = performance.now();
        await steps.run(
          all,
          all.map(() => given),
        );
        return [(performance.now() - start) / runs];
      },
      close: () => steps.close(),
    };
  };
  switch (name) {
    case 'd-step':
      return await defend();
    case 'c-step':
      return await train(c, weights.c);
    case 'a-step':
      return await train(a, weights.a);
    case 'c-infer':
      return await infer(classifierInfer(), weights.c);
    case 'a-infer':
      return await infer(attackerInfer(threat), weights.a);
    default:
      return name satisfies never;
  }
}

/** A step of PGD-7 training of a classifier's file, in the form that `harden` runs. */
function defenceProgram(bytes: Uint8Array, batchSize: number, device: SessionOptions['device']) {
  const classifier = readClassifier(bytes);
  if (!hasGraph(classifier)) throw new Error(classifier.noGradient!);
  const tuned = tunable(bytes, classifier, batchSize);
  const settings = { method: 'pgd', norm: 'linf', ...defenceDefaults.pgd } as const;
  const program = adversarialTrain(tuned, classifier.image, { name: 'harden', ...settings, average: 0 });
  return { tuned, file: programFile(program, device, true) };
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
