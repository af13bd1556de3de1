import type { ImageShape } from './attacks/images.ts';
import { InputError } from './errors.ts';
import type { Model } from './session.ts';

/** What a program must know of a classifier to send it images and to read its answers. */
export interface ClassifierCard {
  readonly image: ImageShape;
  readonly classes: number;
  /** The name of each class; null where the classes are only numbered. */
  readonly labels: readonly string[] | null;
}

/** What a class is called: its name, or its number. */
export const nameOf = ({ labels }: ClassifierCard, one: number): string => labels?.[one] ?? String(one);

/** The number of values of one image. */
export const valuesOf = ({ channels, height, width }: ImageShape): number => channels * height * width;

/** Width by height, as in `32x24`. */
export const sizeText = ({ height, width }: Pick<ImageShape, 'height' | 'width'>): string => `${width}x${height}`;

/**
 * The card of an open classifier, read from its ports: `image` [batch, channels, height, width] and `logits` [batch,
 * classes].
 *
 * @param name of the model in errors.
 * @throws InputError when a port is missing, or leaves one of these sizes open.
 */
export function cardOf({ inputs, outputs }: Pick<Model, 'inputs' | 'outputs'>, name: string): ClassifierCard {
  const [, channels, height, width] = fixed(name, 'image', inputs['image'], 4);
  const [, classes] = fixed(name, 'logits', outputs['logits'], 2);
  return { image: { channels: channels!, height: height!, width: width! }, classes: classes!, labels: null };
}

/** The sizes of a port, all but the first of them numbers. */
function fixed(
  name: string,
  port: string,
  shape: readonly (number | string)[] | undefined,
  rank: number,
): readonly number[] {
  if (!shape) throw new InputError(`${name} has no port ${port}; it is not a classifier of this program`);
  const sizes = shape.slice(1);
  if (shape.length !== rank || !sizes.every((size) => typeof size === 'number' && size > 0)) {
    throw new InputError(
      `${name}: ${port} has the shape [${shape.join()}]; ${rank} sizes are needed, all but the first fixed`,
    );
  }
  return [1, ...(sizes as number[])];
}

/** An image as nested arrays: rows of pixels; a list of such channels where there are several. */
export type Nested = readonly (readonly number[])[] | readonly (readonly (readonly number[])[])[];

/**
 * One of several images as nested arrays.
 *
 * @param at which.
 * @param value of what is stored; the value itself when absent.
 */
export function nestedOf(
  values: Float32Array,
  image: ImageShape,
  at = 0,
  value: (stored: number) => number = (stored) => stored,
): Nested {
  const { channels, height, width } = image;
  let next = at * valuesOf(image);
  const row = (): readonly number[] => Array.from({ length: width }, () => value(values[next++]!));
  const rows = (): readonly (readonly number[])[] => Array.from({ length: height }, row);
  return channels === 1 ? rows() : Array.from({ length: channels }, rows);
}
