import { createCanvas, type Canvas } from '@napi-rs/canvas';

/** A colour: three channels, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** The ends and the middle of `diverging`: ColorBrewer's RdBu, which readers with colour blindness can tell apart. */
export const negative: Rgb = [33, 102, 172];
export const white: Rgb = [255, 255, 255];
export const positive: Rgb = [178, 24, 43];

const side = 28;

/** A pixel of an image, from black at 0 to white at 1; what lies outside is clamped when it is drawn. */
export function grey(value: number): Rgb {
  const level = 255 * value;
  return [level, level, level];
}

/** From blue at -1 over white at 0 to red at +1. */
export function diverging(value: number): Rgb {
  const end = value < 0 ? negative : positive;
  const weight = Math.min(Math.abs(value), 1);
  const mix = (channel: 0 | 1 | 2): number => white[channel] + weight * (end[channel] - white[channel]);
  return [mix(0), mix(1), mix(2)];
}

/**
 * Draws 28x28 values enlarged by a whole factor, so that every pixel stays a square of one colour.
 *
 * @param values 784 values, row by row.
 */
export function drawPixels(values: Float32Array, colour: (value: number) => Rgb, scale: number): Canvas {
  const small = createCanvas(side, side);
  const pixels = small.getContext('2d').createImageData(side, side);
  // A Uint8ClampedArray: what lies outside 0..255, and so outside [0, 1], is clamped here.
  values.forEach((value, index) => pixels.data.set([...colour(value), 255], 4 * index));
  small.getContext('2d').putImageData(pixels, 0, 0);
  const large = createCanvas(scale * side, scale * side);
  const context = large.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  return large;
}
