import {
  clip,
  constant,
  add,
  input,
  lower,
  matmul,
  mul,
  reshape,
  softmax,
  tensorOf,
  type Graph,
} from '../../src/builder/index.ts';
import { encode } from '../../src/onnx/index.ts';
import { stream } from '../../src/runtime/random.ts';
import { storedBytes, type Catalogue, type StoredModel } from '../../src/server/index.ts';
import { colourCard } from './cards.ts';

const size = 60;

const stored = (graph: Graph): StoredModel => storedBytes(encode(lower(graph, 'plain')));

function classifier(seed: number): StoredModel {
  const image = input('image', 'float32', ['batch', 3, 4, 5]);
  const { uniform } = stream(seed, 'weight');
  const weight = tensorOf(
    'float32',
    [size, 7],
    Array.from({ length: size * 7 }, () => 2 * uniform() - 1),
  );
  const logits = matmul(reshape(image, [-1, size]), constant(weight));
  return stored({ name: 'classifier', inputs: [image], outputs: { logits, probabilities: softmax(logits) } });
}

/** Adds eps where the image is light, and takes it away where it is dark. */
function attacker(eps: number): StoredModel {
  const image = input('image', 'float32', ['batch', 3, 4, 5]);
  const perturbation = clip(mul(add(image, -0.5), 100), -eps, eps);
  return stored({
    name: 'attacker',
    inputs: [image],
    outputs: { perturbation, attacked: clip(add(image, perturbation), 0, 1) },
  });
}

/** A catalogue of one attacker of colour images, in memory. */
export function colourCatalogue(): Catalogue {
  const scores = { accuracy: 0.1, loss: 2.3 };
  const both = { clean: scores, noise: scores, attacked: scores };
  return {
    run: 'colour',
    data: { name: 'tiles', testImages: null },
    card: colourCard,
    cells: [
      {
        mode: 'consecutive',
        eps: 0.1,
        bound: 'tanh',
        clip: true,
        seed: 1,
        folder: 'cell',
        final: { c1: both, c2: both },
        models: { c1: classifier(1), c2: classifier(2), attacker: attacker(0.1) },
      },
    ],
  };
}

/** An image whose every value is another multiple of 1/255. */
export const colours = (): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => ((i * 37) % 256) / 255);
