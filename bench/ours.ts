import { bind, constant, encodeProgram, lower, type Program, type Target } from '../src/builder/index.ts';
import { attackerInfer, attackerTrain, classifierInfer, classifierTrain } from '../src/models/programs.ts';
import {
  initialState,
  openModel,
  openTraining,
  stream,
  type SessionOptions,
  type Tensor,
  type Tensors,
} from '../src/runtime/index.ts';

/** What is timed: a training step, or an inference, of C or of A. */
export type JobName = 'c-step' | 'a-step' | 'c-infer' | 'a-infer';

/** Something to time, ready to run. */
export interface Job {
  readonly run: () => Promise<void>;
  readonly close: () => Promise<void>;
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
  const target: Target = options.device;
  const random = stream('bench', batchSize);
  const image: Tensor = {
    dtype: 'float32',
    shape: [batchSize, 1, 28, 28],
    data: Float32Array.from({ length: batchSize * 784 }, () => random.uniform()),
  };
  const label: Tensor = {
    dtype: 'int32',
    shape: [batchSize],
    data: Int32Array.from({ length: batchSize }, () => random.below(10)),
  };
  const c = trainingPrograms('c-step', batchSize).program;
  const a = trainingPrograms('a-step', batchSize).program;
  const weights = {
    c: initialState(c.metadata, ['bench', 'c']),
    a: initialState(a.metadata, ['bench', 'a']),
  };
  const train = async (program: Program, state: Tensors): Promise<Job> => {
    const bytes = encodeProgram({ ...program, graph: lower(program.graph, target) });
    const training = await openTraining({ bytes, metadata: program.metadata }, state, weights.c, options);
    return {
      run: async () => void (await training.step({ image, label })),
      close: () => training.close(),
    };
  };
  const infer = async (program: Program, state: Tensors): Promise<Job> => {
    const model = await openModel(withWeights(program, state, target), options);
    return { run: async () => void (await model.run({ image })), close: () => model.close() };
  };
  switch (name) {
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
