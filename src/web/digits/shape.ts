import type { ClassifierCard } from '../../runtime/classifier-card.ts';

/** Pixels of a side of a digit, as MNIST has them. */
export const side = 28;

/** A digit as an image. */
export const digitShape = { channels: 1, height: side, width: side } as const;

/** Whether a classifier reads what can be drawn here: images of a digit's size, in ten classes. */
export const readsDigits = ({ image, classes }: ClassifierCard): boolean =>
  image.channels === 1 && image.height === side && image.width === side && classes === 10;
