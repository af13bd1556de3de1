import type { Images, ImageShape, Oracle } from '../../runtime/attacks/index.ts';
import type { AttackRequest, ModelRef } from './protocol.ts';
import type { Feeds, Sessions } from './sessions.ts';

/** What a method runs, to be warmed before it is timed. */
export interface Asked {
  readonly model: ModelRef;
  readonly feeds: Feeds;
}

/** The image of a job, as a batch of one. */
export const imagesOf = (data: Float32Array, { channels, height, width }: ImageShape): Images => ({
  data,
  shape: [1, channels, height, width],
});

const imageFeed = (images: Images): Feeds => ({ image: images });

/** What a gradient attack asks. */
export const gradientOf = (model: ModelRef, images: Images, labels: Int32Array): Asked => ({
  model,
  feeds: { ...imageFeed(images), label: { data: labels, shape: [1] } },
});

/** What the trained attacker is asked. */
export const perturbationOf = (model: ModelRef, images: Images): Asked => ({
  model,
  feeds: imageFeed(images),
});

/** The classifier that a job attacks, over the sessions of the worker. */
export function oracleOf({ models, card, target, eps, scale }: AttackRequest, sessions: Sessions): Oracle {
  const { gradient: file } = models;
  const { image, classes } = card;
  const logitsOf = (data: Float32Array) => ({ data, shape: [1, classes] as const });
  return {
    image,
    classes,
    async logits(images) {
      const { logits } = await sessions.run(models.classifiers[target]!, imageFeed(images));
      return logitsOf(logits!);
    },
    ...(file && {
      gradient: async ({ images, labels }: { readonly images: Images; readonly labels: Int32Array }) => {
        const { model, feeds } = gradientOf(file, images, labels);
        const { logits, loss, gradient } = await sessions.run(model, feeds);
        return { logits: logitsOf(logits!), loss: loss!, gradient: imagesOf(gradient!, image) };
      },
    }),
    generator: {
      eps: scale > 0 ? eps / scale : 1,
      async perturbation(images) {
        const { model, feeds } = perturbationOf(models.attacker, images);
        const { perturbation } = await sessions.run(model, feeds);
        return imagesOf(perturbation!, image);
      },
    },
  };
}
