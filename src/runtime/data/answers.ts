import type { Images, Oracle } from '../attacks/index.ts';
import { scoresOf } from '../attacks/score.ts';
import { InputError } from '../errors.ts';
import { inOrder, labelsTensor, numbered, storedSource, type ImageSource } from './source.ts';

/**
 * The same images with a classifier's own answers as their labels, for data that has none. Accuracy on them is agreement
 * with the answer to the image as it is: 100 % without an attack, by construction.
 *
 * @param classes the names of the classifier's classes; numbers where it has none.
 * @throws InputError when its logits for an image are not numbers.
 */
export async function labelledBy(
  source: ImageSource,
  classifier: Pick<Oracle, 'logits' | 'classes'>,
  classes: readonly string[] = numbered(classifier.classes),
): Promise<ImageSource> {
  const labels = new Int32Array(source.count);
  for await (const { start, image } of inOrder(source, 100)) {
    const logits = await classifier.logits({ data: image.data, shape: image.shape } as Images);
    const nothing = new Int32Array(image.shape[0]!);
    const answers = Int32Array.from(scoresOf(logits, nothing), ({ answer }) => answer);
    const odd = answers.indexOf(-1);
    if (odd !== -1) {
      const which = source.names?.[start + odd] ?? `image ${start + odd}`;
      throw new InputError(
        `${source.name}: the logits of ${which} are not all numbers; check the classifier`,
      );
    }
    labels.set(answers, start);
  }
  const { count, stored, read: _, ...rest } = source;
  const about = { ...rest, classes, labels: 'answers' } as const;
  if (stored) return storedSource(about, { images: stored.images, labels });
  return {
    ...about,
    count,
    read: async (indices) => ({
      image: (await source.read(indices)).image,
      label: labelsTensor(Int32Array.from(indices, (index) => labels[index]!)),
    }),
  };
}
