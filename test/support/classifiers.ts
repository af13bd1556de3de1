import { bind, constant, input, lower, matmul, reshape, tensorOf } from '../../src/builder/index.ts';
import { encode } from '../../src/onnx/index.ts';
import type { Graph, Value } from '../../src/builder/index.ts';
import type { Architecture } from '../../src/models/networks/index.ts';
import { classifierInfer } from '../../src/models/programs.ts';
import type { Random } from '../../src/runtime/random.ts';
import { between, drawn } from './run.ts';

export const pixels = 28 * 28;

/** A classifier with weights drawn wide, so that its answers differ from image to image. */
export function drawnClassifier(random: Random, architecture: Architecture = 'paper'): Graph {
  const { graph, metadata } = classifierInfer(architecture);
  const weights = metadata.frozen.map(({ name, shape }) => {
    const next = name.endsWith('running_var') ? between(random, 0.5, 1.5) : between(random, -0.3, 0.3);
    return [name, constant(drawn('float32', shape as number[], next), name)] as const;
  });
  return bind(graph, new Map(weights));
}

/** logits = image x weight; weight [784,classes]. */
export function linearClassifier(weight: readonly number[], classes: number): Graph {
  const image = input('image', 'float32', ['batch', 1, 28, 28]);
  const w = constant(tensorOf('float32', [pixels, classes], weight));
  return { name: 'linear', inputs: [image], outputs: { logits: matmul(reshape(image, [-1, pixels]), w) } };
}

/** A model file of one input, `image`, and one output. */
export function modelOf(output: string, f: (image: Value) => Value): Uint8Array {
  const image = input('image', 'float32', ['batch', 1, 28, 28]);
  return fileOf({ name: 'hand-made', inputs: [image], outputs: { [output]: f(image) } });
}

export const fileOf = (graph: Graph): Uint8Array => encode(lower(graph, 'plain'));
