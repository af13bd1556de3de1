import { encodeProgram, encode } from '../onnx/index.ts';
import { lower } from '../builder/index.ts';
import { classifierGradientModel } from '../models/classifier/gradient.ts';
import type { Sizes } from '../models/networks/index.ts';
import { surrogateGraph, surrogateTrain } from '../models/surrogate.ts';
import { openOracle } from '../runtime/audit/oracle.ts';
import type { SurrogateMaker } from '../runtime/audit/surrogate.ts';
import { initialState, openTraining, type SessionOptions } from '../runtime/session.ts';
import type { Platform } from './platform.ts';

const learningRate = 1e-3;

/**
 * Makes the network that learns a classifier's answers, for images of its size and for its classes. It runs on the CPU,
 * where the same number of threads gives the same network.
 */
export function surrogateMaker(
  { image, classes }: Sizes,
  { threads }: Pick<SessionOptions, 'threads'>,
  { inTurn }: Pick<Platform, 'inTurn'> = { inTurn: (work) => work() },
): SurrogateMaker {
  const sizes = { image, classes };
  const options = { device: 'cpu', threads } as const;
  return {
    async training(batchSize, seed) {
      const { graph, metadata } = surrogateTrain(sizes, { batchSize, learningRate });
      const program = { bytes: encodeProgram({ graph: lower(graph, 'cpu'), metadata }), metadata };
      const state = initialState(metadata, [seed, 'surrogate']);
      const opened = await inTurn(() => openTraining(program, state, new Map(), options));
      return {
        run: (data) => inTurn(() => opened.run(data)),
        step: (data) => inTurn(() => opened.step(data)),
        state: () => inTurn(() => opened.state()),
        close: () => inTurn(() => opened.close()),
      };
    },
    async open(weights) {
      const graph = surrogateGraph(sizes, weights);
      const oracle = await inTurn(() =>
        openOracle(
          {
            classifier: encode(lower(graph, 'cpu')),
            image,
            classes,
            gradient: (loss, batch) => classifierGradientModel(graph, 'cpu', loss, batch),
          },
          options,
        ),
      );
      return {
        ...oracle,
        logits: (images) => inTurn(() => oracle.logits(images)),
        gradient: (batch, loss) => inTurn(() => oracle.gradient!(batch, loss)),
        close: () => inTurn(() => oracle.close()),
      };
    },
  };
}
