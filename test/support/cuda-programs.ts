import * as b from '../../src/builder/index.ts';
import { networks, type Architecture } from '../../src/models/networks/index.ts';
import { readings } from '../../src/models/readings.ts';
import {
  alternatingTrain,
  attackerInfer,
  attackerTrain,
  classifierInfer,
  classifierTrain,
  onStored,
} from '../../src/models/programs.ts';

const train = { batchSize: 4, learningRate: 1e-3 };
const threat = { eps: 0.16, bound: 'tanh', clip: true } as const;
const others = { eps: 0.08, bound: 'clamp', clip: false, targets: 2 } as const;

/** Several steps in one run, as they train on CUDA. */
const repeated = ({ graph, metadata }: b.Program): b.Graph =>
  onStored({ graph: b.lower(graph, 'cuda'), metadata }).graph;

/** What runs on CUDA, each as it is before it is lowered; lowering it again changes nothing in a Loop. */
export const cudaPrograms: Readonly<Record<string, b.Graph>> = Object.fromEntries([
  ...(Object.keys(networks) as Architecture[]).flatMap((architecture) => {
    const learner = classifierTrain({ ...train, architecture });
    const attacker = attackerTrain({ ...train, ...threat, architecture });
    const both = alternatingTrain({ ...train, ...threat, architecture });
    return [
      [`a step of the classifier ${architecture}`, learner.graph],
      [`a step of the attacker against ${architecture}`, attacker.graph],
      [`an alternating step with ${architecture}`, both.graph],
      [`steps of the classifier ${architecture} in a Loop`, repeated(learner)],
      [`the classifier ${architecture}`, classifierInfer(architecture).graph],
    ] as const;
  }),
  ['a step of the attacker against two, clamped', attackerTrain({ ...train, ...others }).graph],
  ['steps of the attacker in a Loop', repeated(attackerTrain({ ...train, ...threat }))],
  ['alternating steps in a Loop', repeated(alternatingTrain({ ...train, ...threat }))],
  ['an alternating step with every reading', alternatingTrain({ ...train, ...threat, readings }).graph],
  ['the attacker', attackerInfer(threat).graph],
  ['the attacker with batch statistics', attackerInfer({ ...threat, readings }).graph],
]);

/** Every node of a graph and of the bodies of its loops. */
export const nodesOf = (graph: b.Graph): readonly b.AnyNode[] =>
  b
    .topologicalOrder(Object.values(graph.outputs))
    .flatMap((node) => [node, ...('body' in node.attrs ? nodesOf(node.attrs.body as b.Graph) : [])]);
