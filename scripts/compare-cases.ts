import { grad, input, neg, nn, type Graph, type Program, type Value } from '../src/builder/index.ts';
import { attack, attacker, type ThreatModel } from '../src/models/networks/generator.ts';
import { classifier } from '../src/models/networks/paper.ts';
import { attackerTrain, classifierTrain } from '../src/models/programs.ts';
import { fillUniform, stream } from '../src/runtime/random.ts';
import { initialState } from '../src/runtime/session.ts';
import { elements, float32, type Tensors } from '../src/runtime/tensor.ts';

const seed = 7;
const learningRate = 1e-3;
const eps = 0.16;

/** One training, to be done here and in PyTorch. */
export interface Case {
  readonly title: string;
  readonly network: 'classifier' | 'attacker';
  readonly program: Program;
  /** The gradients of the program's loss, as outputs `gradient/<name>`. */
  readonly gradients: Graph;
  readonly state: Tensors;
  /** The classifier that the attacker attacks. */
  readonly frozen: Tensors;
}

/** The classifier, and the attacker in each threat model. */
export function cases(batchSize: number): readonly Case[] {
  const alone = classifierTrain({ batchSize, learningRate });
  const threats = (['tanh', 'clamp'] as const).flatMap((bound) =>
    [true, false].map((clip): ThreatModel => ({ eps, bound, clip })),
  );
  const frozen = frozenClassifier(alone);
  return [
    {
      title: 'C',
      network: 'classifier',
      program: alone,
      gradients: classifierGradients(batchSize),
      state: initialState(alone.metadata, [seed]),
      frozen: new Map(),
    },
    ...threats.map((threat): Case => {
      const program = attackerTrain({ batchSize, learningRate, ...threat });
      return {
        title: `A ${threat.bound}, ${threat.clip ? 'clip' : 'no clip'}`,
        network: 'attacker',
        program,
        gradients: attackerGradients(batchSize, threat),
        state: initialState(program.metadata, [seed]),
        frozen,
      };
    }),
  ];
}

/** Random images [steps,batch,1,28,28] in 0..1 and labels [steps,batch]: a fresh batch for each step. */
export function dataSet(steps: number, batch: number): Tensors {
  const shape = [steps, batch, 1, 28, 28];
  const image = new Float32Array(elements(shape));
  fillUniform(image, 0, 1, stream(seed, 'image'));
  const random = stream(seed, 'label');
  const label = Int32Array.from({ length: steps * batch }, () => random.below(10));
  return new Map([
    ['image', float32(shape, image)],
    ['label', { dtype: 'int32' as const, shape: [steps, batch], data: label }],
  ]);
}

/** A classifier at its beginning, but with batch norms that make a difference: nothing in them is 0 or 1. */
function frozenClassifier({ metadata }: Program): Tensors {
  const start = initialState(metadata, [seed, 'frozen']);
  const norms = metadata.state.filter(({ name }) => name.startsWith('classifier/norm'));
  for (const { name } of norms) {
    const data = start.get(name)!.data as Float32Array;
    fillUniform(data, data[0]! - 0.5, data[0]! + 0.5, stream(seed, 'frozen', name));
  }
  return start;
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
  const attacked = attack(image, own.result, threat);
  const target = nn.declare('classifier', 'infer', (scope) => classifier(scope, attacked));
  const frozen = [...target.parameters.trainable, ...target.parameters.buffers].map((v) => v.value);
  return gradientGraph(neg(nn.crossEntropy(target.result, label)), own.parameters, [image, label, ...frozen]);
}

function gradientGraph(loss: Value, { trainable }: nn.Parameters, others: readonly Value[]): Graph {
  const wrt = trainable.map((p) => p.value);
  const gradients = grad(loss, wrt).map((g, i) => [`gradient/${trainable[i]!.name}`, g] as const);
  return { name: 'gradients', inputs: [...others, ...wrt], outputs: Object.fromEntries(gradients) };
}
