import {
  add,
  clip,
  constant,
  conv,
  expand,
  flatten,
  gather,
  grad,
  input,
  matmul,
  mul,
  nn,
  relu,
  reduceMax,
  reduceSum,
  shapeOf,
  tensorOf,
  type Graph,
} from '../../src/builder/index.ts';
import { classifierGradientModel } from '../../src/models/classifier/gradient.ts';
import type { Batch, Gradient, Images, ImageShape, Oracle, Slope } from '../../src/runtime/attacks/index.ts';
import { openOracle, type OpenOracle, type OracleFiles } from '../../src/runtime/audit/oracle.ts';
import { stream, type Random } from '../../src/runtime/random.ts';
import { fileOf } from './classifiers.ts';
import { between, drawn } from './run.ts';

/** One convolution, ReLU and a linear layer with weights drawn from `random`, on images of any shape. */
export function smallClassifier(
  random: Random,
  { channels, height, width }: ImageShape,
  classes: number,
): Graph {
  const image = input('image', 'float32', ['batch', channels, height, width]);
  const draw = (shape: readonly number[], size: number) =>
    constant(drawn('float32', shape, between(random, -size, size)));
  const hidden = relu(
    conv(image, draw([4, channels, 3, 3], 0.5), draw([4], 0.2), { pads: [1, 1, 1, 1], strides: [2, 2] }),
  );
  const features = flatten(hidden);
  const w = draw([features.shape[1] as number, classes], 0.3);
  return { name: 'small', inputs: [image], outputs: { logits: matmul(features, w) } };
}

/**
 * What a perfect trained attacker would be: `image` -> `perturbation`, which lowers the largest logit of the classifier as
 * fast as one step of eps can.
 */
export function perfectAttacker(classifier: Graph, eps: number): Uint8Array {
  const [image] = classifier.inputs;
  const top = reduceMax(classifier.outputs['logits']!, { axes: [1] });
  const [slope] = grad(reduceSum(top), [image!]);
  const perturbation = clip(mul(slope!, -1e6), -eps, eps);
  return fileOf({ name: 'attacker', inputs: [image!], outputs: { perturbation } });
}

/** {@link perfectAttacker} towards a class: `image`, `target` -> `perturbation`, which raises the target's logit. */
export function perfectAim(classifier: Graph, eps: number): Uint8Array {
  const [image] = classifier.inputs;
  const logits = classifier.outputs['logits']!;
  const target = input('target', 'int32', ['batch']);
  const wished = reduceSum(mul(logits, nn.oneHot(target, logits.shape[1] as number)), { axes: [1] });
  const [slope] = grad(reduceSum(wished), [image!]);
  const perturbation = clip(mul(slope!, 1e6), -eps, eps);
  return fileOf({ name: 'attacker', inputs: [image!, target], outputs: { perturbation } });
}

/**
 * A perturbation for all images: that of a class where there are several, by `target`.
 *
 * @param signs float32 [1 or classes,C,H,W], of which the signs count.
 */
export function universalOf(signs: Images, eps: number): Uint8Array {
  const { data, shape } = signs;
  const own = constant(
    tensorOf(
      'float32',
      shape,
      Array.from(data, (x) => eps * Math.sign(x)),
    ),
  );
  const image = input('image', 'float32', ['batch', ...shape.slice(1)]);
  const target = input('target', 'int32', ['batch']);
  const several = shape[0] > 1;
  const perturbation = several ? gather(own, target) : expand(own, shapeOf(image));
  return fileOf({
    name: 'universal',
    inputs: several ? [image, target] : [image],
    outputs: { perturbation: several ? add(perturbation, mul(image, 0)) : perturbation },
  });
}

/** A classifier as an oracle with gradients, on one thread of the CPU. */
export const oracleOf = (
  classifier: Graph,
  image: ImageShape,
  more: Pick<OracleFiles, 'generator' | 'universal'> = {},
): Promise<OpenOracle> =>
  openOracle(
    {
      classifier: fileOf(classifier),
      image,
      classes: classifier.outputs['logits']!.shape[1] as number,
      gradient: (loss) => classifierGradientModel(classifier, 'cpu', loss),
      ...more,
    },
    { device: 'cpu', threads: 1 },
  );

/**
 * An oracle that is asked for each image by itself. ONNX Runtime computes an exponential in groups of 8 or 16 numbers and
 * what is left over by other means, so that the last bit of a gradient may depend on the batch; here it does not.
 */
export const oneByOne = (oracle: Oracle): Oracle => ({
  ...oracle,
  ...(oracle.gradient && { gradient: alone(oracle.gradient, oracle) }),
  ...(oracle.surrogate && { surrogate: alone(oracle.surrogate, oracle) }),
});

const alone =
  (gradient: Gradient, { classes }: Oracle): Gradient =>
  async (batch, loss) => {
    const parts: Slope[] = [];
    for (let i = 0; i < batch.labels.length; i++) {
      const [images, labels] = [imagesAt(batch.images, [i]), batch.labels.subarray(i, i + 1)];
      const targets = batch.targets?.subarray(i, i + 1);
      parts.push(await gradient({ images, labels, ...(targets && { targets }) }, loss));
    }
    const joined = (of: (part: Slope) => Float32Array) =>
      Float32Array.from(parts.flatMap((part) => [...of(part)]));
    return {
      logits: { data: joined(({ logits }) => logits.data), shape: [parts.length, classes] },
      loss: joined(({ loss }) => loss),
      gradient: { data: joined((part) => part.gradient.data), shape: batch.images.shape },
    };
  };

/** Images with a third of their pixels black and a third white, as digits have them; labels and targets that differ. */
export function drawnBatch(
  seed: number,
  count: number,
  { channels, height, width }: ImageShape,
  classes: number,
): Required<Batch> {
  const random = stream(seed, 'images');
  const value = between(random, -1, 2);
  const shape = [count, channels, height, width] as const;
  const data = Float32Array.from({ length: count * channels * height * width }, () =>
    Math.min(1, Math.max(0, value())),
  );
  const labels = Int32Array.from({ length: count }, () => random.below(classes));
  const targets = labels.map((y) => (y + 1 + random.below(classes - 1)) % classes);
  return { images: { data, shape }, labels, targets, places: Int32Array.from(labels, (_, i) => i) };
}

/** Some images of a batch, in the order of `indices`. */
export function someOf(batch: Required<Batch>, indices: readonly number[]): Required<Batch> {
  const pick = (values: Int32Array): Int32Array => Int32Array.from(indices, (i) => values[i]!);
  return {
    images: imagesAt(batch.images, indices),
    labels: pick(batch.labels),
    targets: pick(batch.targets),
    places: pick(batch.places),
  };
}

/** The images at `indices`, in that order. */
export function imagesAt({ data, shape }: Images, indices: readonly number[]): Images {
  const size = data.length / shape[0];
  const picked = new Float32Array(indices.length * size);
  indices.forEach((from, to) => picked.set(data.subarray(from * size, (from + 1) * size), to * size));
  return { data: picked, shape: [indices.length, shape[1], shape[2], shape[3]] };
}
