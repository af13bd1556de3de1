import {
  adam,
  bind,
  constant,
  inference,
  input,
  mul,
  neg,
  nn,
  reduceMean,
  reduceSum,
  softmax,
  trainStep,
  type Graph,
  type Program,
  type Tensor,
  type Value,
} from '../builder/index.ts';
import { logSoftmax } from './log-softmax.ts';
import type { Sizes } from './networks/index.ts';
import { surrogate } from './networks/surrogate.ts';

const network = 'surrogate';

const imageInput = (batch: number | string, { image: { channels, height, width } }: Sizes): Value =>
  input('image', 'float32', [batch, channels, height, width]);

/**
 * One Adam step of a network that learns another classifier's answers (Hinton, Vinyals and Dean 2015): minimises the
 * cross-entropy between softmax(`answer`) and its own softmax.
 *
 * Data: `image` [batch,C,H,W] in 0..1, and `answer` [batch,classes], logits at the temperature that is to be learned.
 */
export function surrogateTrain(
  sizes: Sizes,
  { batchSize, learningRate }: { readonly batchSize: number; readonly learningRate: number },
): Program {
  const image = imageInput(batchSize, sizes);
  const answer = input('answer', 'float32', [batchSize, sizes.classes]);
  const { result: logits, parameters } = nn.declare(network, 'train', (scope) =>
    surrogate(scope, image, sizes),
  );
  const loss = neg(reduceMean(reduceSum(mul(softmax(answer), logSoftmax(logits)), { axes: [1] })));
  return trainStep({
    name: 'surrogate-train',
    loss,
    parameters,
    optimizer: adam({ learningRate, network }),
    data: [image, answer],
    metrics: { loss },
    options: { batchSize, learningRate },
  });
}

/** The network with what it has learned: `image` [batch,C,H,W] -> `logits` [batch,classes]. */
export function surrogateGraph(sizes: Sizes, weights: ReadonlyMap<string, Tensor>): Graph {
  const image = imageInput('batch', sizes);
  const { result: logits, parameters } = nn.declare(network, 'infer', (scope) =>
    surrogate(scope, image, sizes),
  );
  const { graph, metadata } = inference({
    name: network,
    data: [image],
    parameters: [parameters],
    outputs: { logits },
  });
  const values = metadata.frozen.map(({ name }) => [name, constant(weights.get(name)!, name)] as const);
  return bind(graph, new Map(values));
}
