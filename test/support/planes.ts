import type { Images, ImageShape, Logits, Oracle, Slope } from '../../src/runtime/attacks/index.ts';

/** A classifier whose logits are `weights[class] . x + bias[class]`, computed in double precision. */
export function planes(
  image: ImageShape,
  weights: readonly (readonly number[])[],
  bias: readonly number[] = weights.map(() => 0),
): Oracle & { readonly asked: () => { readonly forward: number; readonly backward: number } } {
  const classes = weights.length;
  const asked = { forward: 0, backward: 0 };
  const size = image.channels * image.height * image.width;
  const logitsOf = ({ data, shape: [count] }: Images): Logits => ({
    data: Float32Array.from({ length: count * classes }, (_, at) => {
      const [i, c] = [Math.floor(at / classes), at % classes];
      return weights[c]!.reduce((sum, w, k) => sum + w * data[i * size + k]!, bias[c]!);
    }),
    shape: [count, classes],
  });
  return {
    image,
    classes,
    asked: () => ({ ...asked }),
    logits: (images) => {
      asked.forward += images.shape[0];
      return Promise.resolve(logitsOf(images));
    },
    gradient: ({ images, labels, targets }, loss) => {
      asked.backward += labels.length;
      const logits = logitsOf(images);
      const gradient = new Float32Array(images.data.length);
      const losses = Float32Array.from(labels, (label, i) => {
        const z = logits.data.subarray(i * classes, (i + 1) * classes);
        // the other class: the target, or the largest of the others; of two classes every loss is of these two
        const others = [...z.keys()].filter((c) => c !== label);
        const other = loss === 'difference' ? targets![i]! : others.sort((a, b) => z[b]! - z[a]!)[0]!;
        const gap = z[other]! - z[label]!;
        const slope = loss === 'ce' ? 1 / (1 + Math.exp(-gap)) : 1;
        for (let k = 0; k < size; k++) {
          gradient[i * size + k] = slope * (weights[other]![k]! - weights[label]![k]!);
        }
        return loss === 'ce' ? Math.log1p(Math.exp(gap)) : gap;
      });
      const found: Slope = { logits, loss: losses, gradient: { data: gradient, shape: images.shape } };
      return Promise.resolve(found);
    },
  };
}
