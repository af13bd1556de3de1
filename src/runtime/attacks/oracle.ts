import type { Batch, Images, ImageShape, Logits } from './images.ts';

/**
 * A loss that rises as a classifier errs, one number an image. `z` are the logits, `y` the label.
 *
 * - `ce`: cross-entropy in nats, logsumexp(z) - z_y.
 * - `gap`: logsumexp of the other logits, less z_y. It has the direction of `ce`, and keeps its slope where the
 *   classifier is sure of itself and `ce` rounds to 0. FGSM and PGD use it.
 * - `margin`: the largest of the other logits, less z_y. Positive where the classifier is wrong.
 * - `difference`: z_t - z_y, with the target `t`. Positive where the classifier finds the target likelier.
 * - `dlr`: the margin over the distance from the largest logit to the third (Croce and Hein 2020, difference of logits
 *   ratio), so that scaling the logits changes nothing. Three classes or more.
 * - `dlr-targeted`: z_t - z_y over the distance from the largest logit to the mean of the third and the fourth, with
 *   the target `t`. Four classes or more.
 */
export type LossName = 'ce' | 'gap' | 'margin' | 'difference' | 'dlr' | 'dlr-targeted';

/** What a classifier says of a batch, and how it would change. */
export interface Slope {
  readonly logits: Logits;
  /** One an image. */
  readonly loss: Float32Array;
  /** The gradient of each image's loss in that image. */
  readonly gradient: Images;
}

/** What was trained to attack a classifier: a network, or one perturbation for all images. */
export interface Generator {
  /** The eps that it was trained for; of one that is told it, the least and the largest. */
  readonly eps: number | readonly [low: number, high: number];
  /** Whether it is told the class to aim at; false when absent. */
  readonly targeted?: boolean;
  /**
   * What it adds to each image.
   *
   * @param eps the largest change of a pixel, among those that it was trained for. One for a single eps does not heed it.
   * @param targets a class for each image, where it is targeted.
   */
  readonly perturbation: (images: Images, eps: number, targets: Int32Array | null) => Promise<Images>;
}

/**
 * An oracle without its gradient. An oracle may be an instance of a class, whose methods a spread loses, so that its fields
 * are named here.
 */
export const answersOnly = (oracle: Oracle): Oracle => ({
  image: oracle.image,
  classes: oracle.classes,
  logits: (images) => oracle.logits(images),
  ...(oracle.generator && { generator: oracle.generator }),
  ...(oracle.universal && { universal: oracle.universal }),
  ...(oracle.surrogate && { surrogate: oracle.surrogate }),
});

/** The gradient of a loss in each image. */
export type Gradient = (
  batch: Pick<Batch, 'images' | 'labels' | 'targets'>,
  loss: LossName,
) => Promise<Slope>;

/** What an attack may ask: a classifier's logits, and more where the attacker knows more. */
export interface Oracle {
  readonly image: ImageShape;
  readonly classes: number;
  readonly logits: (images: Images) => Promise<Logits>;
  /** Absent where the classifier cannot be differentiated. The targets of the batch matter to `difference` and `dlr-targeted` alone. */
  readonly gradient?: Gradient;
  /** The gradient of a network that was trained on the classifier's answers. Absent where none was. */
  readonly surrogate?: Gradient;
  /** A network that makes a perturbation for each image; absent where none was trained. */
  readonly generator?: Generator;
  /** One perturbation for all images, or one for each target; absent where none was trained. */
  readonly universal?: Generator;
}
