// Trains the paper's networks here and in PyTorch, from the same weights on the same images, and compares.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { z } from 'zod';
import {
  encode,
  grad,
  input,
  inputName,
  lower,
  neg,
  nn,
  type Graph,
  type Program,
  type Target,
  type Value,
} from '../src/builder/index.ts';
import { attack, attacker, type ThreatModel } from '../src/models/attacker.ts';
import { classifier } from '../src/models/classifier.ts';
import { attackerTrain, classifierTrain } from '../src/models/programs.ts';
import { fillUniform, stream } from '../src/runtime/random.ts';
import { encodeSafetensors, type Tensor } from '../src/runtime/safetensors.ts';
import { runPython } from './python.ts';

const seed = 7;
const learningRate = 1e-3;
const eps = 0.16;
const targets: readonly Target[] = ['plain', 'cpu'];

/**
 * The largest error that is rounding whatever PyTorch's own: a float32 sum of the widest kernel's 12,800 products is off
 * by about sqrt(12800) * 2^-24 = 7e-6, and the attacker with the classifier behind it passes some twenty such sums.
 */
const rounding = 1e-4;
/** How much farther from the truth than float32 PyTorch we may be. */
const margin = 10;
/** No step of Adam moves a parameter by more than (1 - beta1) / sqrt(1 - beta2) learning rates (Kingma & Ba 2015, 2.1). */
const adamStep = 0.1 / Math.sqrt(0.001);

type Tensors = Map<string, Tensor>;

/** One training: its program, and a graph whose outputs are the gradients `gradient/<name>` of the same loss. */
interface Case {
  readonly title: string;
  readonly network: 'classifier' | 'attacker';
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly program: Program;
  readonly gradients: Graph;
}

function cases(batchSize: number): readonly Case[] {
  const threats = (['tanh', 'clamp'] as const).flatMap((bound) =>
    [true, false].map((clip): ThreatModel => ({ eps, bound, clip })),
  );
  return [
    {
      title: 'C',
      network: 'classifier',
      options: {},
      program: classifierTrain({ batchSize, learningRate }),
      gradients: classifierGradients(batchSize),
    },
    ...threats.map((threat) => ({
      title: `A ${threat.bound} ${threat.clip ? 'clip' : 'no clip'}`,
      network: 'attacker' as const,
      options: { ...threat },
      program: attackerTrain({ batchSize, learningRate, ...threat }),
      gradients: attackerGradients(batchSize, threat),
    })),
  ];
}

const dataInputs = (batch: number): readonly [image: Value, label: Value] => [
  input('image', 'float32', [batch, 1, 28, 28]),
  input('label', 'int32', [batch]),
];

function classifierGradients(batch: number): Graph {
  const [image, label] = dataInputs(batch);
  const own = nn.declare('classifier', 'train', (scope) => classifier(scope, image));
  return gradientGraph(nn.crossEntropy(own.result, label), own.parameters, [image, label]);
}

function attackerGradients(batch: number, threat: ThreatModel): Graph {
  const [image, label] = dataInputs(batch);
  const own = nn.declare('attacker', 'train', (scope) => attacker(scope, image, threat));
  const target = nn.declare('classifier', 'infer', (scope) =>
    classifier(scope, attack(image, own.result, threat)),
  );
  const frozen = [...target.parameters.trainable, ...target.parameters.buffers].map((v) => v.value);
  const loss = neg(nn.crossEntropy(target.result, label));
  return gradientGraph(loss, own.parameters, [image, label, ...frozen]);
}

function gradientGraph(loss: Value, { trainable }: nn.Parameters, others: readonly Value[]): Graph {
  const wrt = trainable.map((p) => p.value);
  const gradients = grad(loss, wrt).map((g, i) => [`gradient/${trainable[i]!.name}`, g] as const);
  return { name: 'gradients', inputs: [...others, ...wrt], outputs: Object.fromEntries(gradients) };
}

function draw(name: string, shape: readonly number[], init: nn.Init): Tensor {
  const data = new Float32Array(shape.reduce((product, length) => product * length, 1));
  if (init.kind === 'constant') data.fill(init.value);
  else fillUniform(data, init.low, init.high, stream(seed, 'init', name));
  return { dtype: 'float32', shape, data };
}

/** The state of a program as a run begins with it. */
const initialState = ({ metadata }: Program): Tensors =>
  new Map(metadata.state.map(({ name, shape, init }) => [name, draw(name, shape as number[], init)]));

/** A classifier for the attacker to attack, with batch norms that have seen something: statistics other than 0 and 1. */
function frozenClassifier(batchSize: number): Tensors {
  const { state } = classifierTrain({ batchSize, learningRate }).metadata;
  const own = state.filter(({ name }) => name.startsWith('classifier/'));
  return new Map(
    own.map(({ name, shape, init }) => {
      if (init.kind === 'uniform') return [name, draw(name, shape as number[], init)];
      return [name, draw(name, shape as number[], { kind: 'uniform', low: init.value - 0.5, high: init.value + 0.5 })];
    }),
  );
}

/** Random images and labels, a batch for each step. */
function dataSet(steps: number, batch: number): Tensors {
  const image = draw('image', [steps, batch, 1, 28, 28], { kind: 'uniform', low: 0, high: 1 });
  const random = stream(seed, 'label');
  const label = Int32Array.from({ length: steps * batch }, () => random.below(10));
  return new Map([
    ['image', image],
    ['label', { dtype: 'int32', shape: [steps, batch], data: label }],
  ]);
}

/** One of the tensors that lie behind each other in the first dimension. */
function slice({ dtype, shape: [, ...shape], data }: Tensor, index: number): Tensor {
  const length = shape.reduce((product, n) => product * n, 1);
  return { dtype, shape, data: data.subarray(index * length, (index + 1) * length) as Tensor['data'] };
}

const feed = (names: readonly string[], tensors: Tensors): Record<string, OrtTensor> =>
  Object.fromEntries(
    names.map((name) => {
      const { dtype, data, shape } = tensors.get(name)!;
      return [name, new OrtTensor(dtype, data as Float32Array, shape)];
    }),
  );

const fetched = (tensor: OrtTensor): Tensor => ({
  dtype: 'float32',
  shape: tensor.dims,
  data: tensor.data as Float32Array,
});

async function run(graph: Graph, target: Target): Promise<(tensors: Tensors) => Promise<Tensors>> {
  const session = await InferenceSession.create(encode(lower(graph, target)), { intraOpNumThreads: 2 });
  return async (tensors) => {
    const outputs = await session.run(feed(graph.inputs.map(inputName), tensors));
    return new Map(Object.entries(outputs).map(([name, tensor]) => [name, fetched(tensor)]));
  };
}
