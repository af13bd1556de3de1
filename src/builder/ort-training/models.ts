import { grad } from '../grad.ts';
import { inputName, tensorOf, type Value } from '../ir.ts';
import { lower } from '../lower/index.ts';
import { adamDefaults, type AdamOptions } from '../optim.ts';
import { variables, type Program, type TrainStep } from '../program.ts';
import { AttributeType, DataType, encodeModel, type Message } from '../onnx.ts';
import { encodeGraph, encodeTensor, modelProto, valueInfo } from '../proto.ts';
import {
  bufferOf,
  descriptionKey,
  domain,
  gradientOf,
  optimizerInputs,
  resetFlag,
  writtenOf,
  type Description,
} from './names.ts';

/** The three models that onnxruntime's training API reads, as ONNX bytes; the fourth file is the checkpoint. */
export interface Models {
  readonly training: Uint8Array;
  readonly eval: Uint8Array;
  readonly optimizer: Uint8Array;
}

/**
 * The models for a training step, as `onnxruntime.training.artifacts.generate_artifacts` lays them out, with our own
 * forward and backward graph in standard operators.
 *
 * @param step what is trained; its first metric becomes the first output.
 * @param evaluation an inference program on the same parameters, for the eval model.
 */
export const modelsFor = (step: TrainStep, evaluation: Program, adam: AdamOptions = {}): Models => ({
  training: trainingModel(step),
  eval: evalModel(step, evaluation),
  optimizer: optimizerModel(adam),
});

/** Every tensor that the checkpoint holds, in the order of the models' inputs: trained ones first. */
const parametersOf = ({ parameters, frozen = [] }: TrainStep): readonly Value[] => [
  ...variables(parameters),
  ...frozen.flatMap(variables),
];

/** The API feeds both models from one list of parameters, so they must be the training model's, in its order. */
function evalModel(step: TrainStep, { graph }: Program): Uint8Array {
  const own = new Map(graph.inputs.map((x) => [inputName(x), x] as const));
  const wanted = [...step.data, ...parametersOf(step)].map(inputName);
  if (wanted.length !== own.size || wanted.some((name) => !own.has(name))) {
    throw new Error(`ort-training: ${graph.name} and ${step.name} do not have the same inputs`);
  }
  const ordered = { ...graph, inputs: wanted.map((name) => own.get(name)!) };
  return encodeModel(modelProto(encodeGraph(lower(ordered, 'cpu'))));
}

/**
 * Metrics and, in place, gradients and running statistics. In-place operators are no values: they write into their
 * input. So they are added where the file is made, and no graph pass ever meets one.
 */
function trainingModel(step: TrainStep): Uint8Array {
  const { trainable, buffers, updates } = step.parameters;
  const gradients = grad(
    step.loss,
    trainable.map((p) => p.value),
  );
  const next = (name: string): string => `next/${name}`;
  const graph = lower(
    {
      name: step.name,
      inputs: [...step.data, ...parametersOf(step)],
      outputs: {
        ...step.metrics,
        ...Object.fromEntries(trainable.map((p, i) => [gradientOf(p.name), gradients[i]!])),
        ...Object.fromEntries(buffers.map(({ name, value }) => [next(name), updates.get(name) ?? value])),
      },
    },
    'cpu',
  );
  const proto = encodeGraph(graph);
  const always = 'always';
  const flag = { dtype: 'bool', shape: [1] } as const;
  const description: Description = { schema: 1, data: step.data.map(inputName), options: step.options ?? {} };
  const written = [
    ...trainable.map(({ name }) => inPlace(name, bufferOf(name), gradientOf(name), resetFlag)),
    ...buffers.map(({ name }) => inPlace(name, name, next(name), always)),
  ];
  return encodeModel({
    ...withDomain({
      ...proto,
      node: [...proto.node!, ...written],
      input: [
        ...proto.input!,
        ...trainable.map(({ name, value }) => valueInfo(bufferOf(name), value)),
        valueInfo(resetFlag, flag),
      ],
      output: [
        ...Object.entries(step.metrics).map(([name, value]) => valueInfo(name, value)),
        ...[...trainable, ...buffers].map(({ name }) => valueInfo(writtenOf(name), flag)),
      ],
      initializer: [...proto.initializer!, encodeTensor(always, tensorOf('bool', [1], [1]))],
    }),
    metadataProps: [{ key: descriptionKey, value: JSON.stringify(description) }],
  });
}

/** buffer = overwrite ? value : buffer + value, in the memory of the buffer. */
const inPlace = (name: string, buffer: string, value: string, overwrite: string) => ({
  opType: 'InPlaceAccumulatorV2',
  domain,
  name: `${name}/write`,
  input: [buffer, value, overwrite],
  output: [writtenOf(name)],
});

/**
 * Adam over sequences of all trained tensors, in place: one node. `adam_mode` 0 is PyTorch's formula, which is ours
 * too (epsilon outside the bias-corrected root); what generate_artifacts writes, 1, is another.
 */
function optimizerModel(options: AdamOptions): Uint8Array {
  const { beta1, beta2, epsilon } = { ...adamDefaults, ...options };
  const float = (name: string, f: number) => ({ name, type: AttributeType.FLOAT, f });
  const int = (name: string, i: number) => ({ name, type: AttributeType.INT, i });
  const [learningRate, step, ...sequences] = optimizerInputs;
  const updated = 'updated';
  return encodeModel(
    withDomain({
      name: 'adam',
      input: [
        valueInfo(learningRate, { dtype: 'float32', shape: [1] }),
        valueInfo(step, { dtype: 'int64', shape: [1] }),
        ...sequences.map((name) => ({
          name,
          type: { sequenceType: { elemType: { tensorType: { elemType: DataType.FLOAT } } } },
        })),
      ],
      node: [
        {
          opType: 'AdamWOptimizer',
          domain,
          name: updated,
          input: [...optimizerInputs],
          output: [updated],
          attribute: [
            int('adam_mode', 0),
            float('alpha', beta1),
            float('beta', beta2),
            int('correct_bias', 1),
            float('epsilon', epsilon),
            float('weight_decay', 0),
          ],
        },
      ],
      output: [valueInfo(updated, { dtype: 'bool', shape: [1] })],
    }),
  );
}

function withDomain(graph: Message<'Graph'>): Message<'Model'> {
  const model = modelProto(graph);
  return { ...model, opsetImport: [...model.opsetImport!, { domain, version: 1 }] };
}
