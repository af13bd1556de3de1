import {
  bindDims,
  foldBatchNorm,
  freeInputs,
  input,
  inputName,
  type nn,
  reduceSum,
  reachedInputs,
  rewrite,
  topologicalOrder,
  type AnyNode,
  type Dim,
  type Graph,
  type Value,
} from '../../builder/index.ts';
import { decode, fileWeights, type External, type FileWeight } from '../../onnx/index.ts';
import { adopt } from './adopt.ts';
import type { Classifier } from './classifier.ts';
import { loosened } from './loosen.ts';

/** A classifier whose weights are inputs, so that they can be trained. */
export interface Tunable {
  /** The images that the graph takes at a time. */
  readonly batch: number;
  /** `image` float32 [batch,channels,height,width] in 0..1, RGB -> logits [batch,classes]. */
  readonly logits: (image: Value) => Value;
  /** The weights, as state of a training program; each has the name of its initializer after {@link weightPrefix}. */
  readonly parameters: nn.Parameters;
  /** The weights that are trained, as the file has them. */
  readonly trained: readonly FileWeight[];
  /** Those that are not, and why. */
  readonly frozen: readonly Frozen[];
}

/** A weight of the file that is not trained. */
export interface Frozen {
  readonly name: string;
  readonly why: 'statistics of batch norm' | 'preprocessing' | 'no gradient reaches it';
}

/** What stands before the name of an initializer in the name of a program's state. */
export const weightPrefix = 'weight/';

/**
 * Opens the weights of a classifier for training: each initializer of more than one floating-point number that the gradient
 * of the logits reaches becomes an input. What the file does with a weight before it uses it, such as a transposition or a
 * cast, remains in the graph, so that the trained value is the initializer itself.
 *
 * Frozen are the running statistics of batch norm, which stays in inference form, and what acts on the images before the
 * first layer.
 *
 * @param bytes of the file that the classifier was read from.
 * @param batch how many images the graph is to take at a time.
 * @throws Error in one line when there is nothing to train, or the graph cannot take that many images.
 */
export function tunable(
  bytes: Uint8Array,
  { ports, image, origin: { file } }: Classifier,
  batch: number,
  external?: External,
): Tunable {
  const quantised = Object.keys(file.operators).find((name) => /quantize|qlinear|integer/i.test(name));
  if (quantised) {
    throw new Error(`it cannot be trained: its weights are quantised (${quantised}); harden the float model`);
  }
  const all = fileWeights(bytes, external);
  const open = (weights: readonly FileWeight[]): Graph => {
    const inputs = new Map(
      weights.map(({ name, shape }) => [name, input(`${weightPrefix}${name}`, 'float32', shape)]),
    );
    const read = (size: Dim): Graph => {
      const { graph } = decode(bytes, {
        outputs: [ports.output.name],
        shapes: { [ports.input.name]: [size, ...ports.input.shape] },
        weights: inputs,
        ...(external && { external }),
      });
      // the weights stay open
      return { ...graph, inputs: graph.inputs.filter((x) => inputName(x) === ports.input.name) };
    };
    const adopted = (own: Graph): Graph => adopt(own, ports.input, image, ports.output.name).graph;
    try {
      return adopted(read(batch));
    } catch (error) {
      const fixed = ports.input.batch ?? 1;
      if (fixed === batch) throw error;
      return bindDims(adopted(loosened(read(fixed), fixed, 'batch')), { batch });
    }
  };
  const graph = open(all);
  const why = reasons(graph);
  const trained = all.filter(({ name }) => why.get(name) === 'trained');
  if (trained.length === 0) {
    throw new Error(
      'it has no weights to train: no initializer of floating-point numbers reaches its logits',
    );
  }
  // folded first, so that the gradient too is that of the folded convolutions
  const tuned = foldBatchNorm(trained.length === all.length ? graph : open(trained));
  const inputs = freeInputs([tuned.outputs.logits!]);
  const [images] = tuned.inputs;
  return {
    batch,
    logits: (x) =>
      rewrite(
        tuned,
        () => null,
        (value) => (value.source === images!.source ? x : value),
      ).outputs.logits!,
    parameters: {
      trainable: trained.map(({ name }) => ({
        name: `${weightPrefix}${name}`,
        value: inputs.find((x) => inputName(x) === `${weightPrefix}${name}`)!,
        // a training begins with the file's own numbers
        init: { kind: 'constant', value: 0 },
      })),
      buffers: [],
      updates: new Map(),
    },
    trained,
    frozen: all.flatMap(({ name }) => {
      const reason = why.get(name) ?? 'no gradient reaches it';
      return reason === 'trained' ? [] : [{ name, why: reason }];
    }),
  };
}

/** Operators that weigh what comes before them: with the first of these the network begins. */
const layers: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'MatMul', 'Gemm']);

/** For each weight that the logits depend on, whether it is trained or why it is not. */
function reasons({ inputs: [image], outputs: { logits } }: Graph): Map<string, Frozen['why'] | 'trained'> {
  const found = new Map<string, Frozen['why'] | 'trained'>();
  /** Values that depend on the image, and those of them that lie behind a layer. */
  const [moving, behind] = [new Set<Value>([image!]), new Set<Value>()];
  for (const node of topologicalOrder([logits!])) {
    const own = node.inputs.filter((x) => x && moving.has(x)) as Value[];
    if (own.length === 0) continue;
    const isBehind = layers.has(node.op) || own.some((x) => behind.has(x));
    node.inputs.forEach((x, i) => {
      if (!x || moving.has(x)) return;
      for (const weight of freeInputs([x])) {
        const name = inputName(weight).slice(weightPrefix.length);
        const reason = isStatistic(node, i)
          ? 'statistics of batch norm'
          : isBehind
            ? 'trained'
            : 'preprocessing';
        // one that is used twice is frozen if any use is
        if ((found.get(name) ?? 'trained') === 'trained') found.set(name, reason);
      }
    });
    for (const y of node.outputs) {
      moving.add(y);
      if (isBehind) behind.add(y);
    }
  }
  const weights = freeInputs([logits!]).filter((x) => x !== image);
  const reached = reachedInputs(reduceSum(logits!), weights);
  for (const weight of weights) {
    const name = inputName(weight).slice(weightPrefix.length);
    if (!reached.has(weight) && found.get(name) === 'trained') found.set(name, 'no gradient reaches it');
  }
  return found;
}

const isStatistic = ({ op }: AnyNode, input: number): boolean => op === 'BatchNormalization' && input >= 3;
