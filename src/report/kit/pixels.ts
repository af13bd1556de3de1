import { createCanvas, type Canvas } from '@napi-rs/canvas';
import type { ImageShape } from '../../runtime/attacks/images.ts';

/** A colour: three channels, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** The ends and the middle of `diverging`: ColorBrewer's RdBu, which readers with colour blindness can tell apart. */
const negative: Rgb = [33, 102, 172];
const white: Rgb = [255, 255, 255];
const positive: Rgb = [178, 24, 43];

/** The colour of a pixel, of which there is a value for each channel: one, or red, green and blue. */
export type Shade = (pixel: readonly number[]) => Rgb;

/** A pixel of an image, from black at 0 to white or full colour at 1; what lies outside is clamped when it is drawn. */
export const asSeen: Shade = ([red, green, blue]) => [
  255 * red!,
  255 * (green ?? red!),
  255 * (blue ?? red!),
];

/**
 * A pixel of a perturbation: blue at -eps, white at 0 and red at +eps. With colours, each channel is dark at -eps, half
 * bright at 0 and full at +eps.
 */
export const asChange =
  (eps: number): Shade =>
  (pixel) =>
    pixel.length === 1 ? diverging(pixel[0]! / eps) : asSeen(pixel.map((value) => 0.5 + value / (2 * eps)));

/** From blue at -1 over white at 0 to red at +1. */
function diverging(value: number): Rgb {
  const end = value < 0 ? negative : positive;
  const weight = Math.min(Math.abs(value), 1);
  const mix = (channel: 0 | 1 | 2): number => white[channel] + weight * (end[channel] - white[channel]);
  return [mix(0), mix(1), mix(2)];
}

/**
 * Draws an image enlarged by a whole factor, so that every pixel stays a square of one colour.
 *
 * @param values of one image, channel by channel, row by row.
 */
export function drawPixels(
  values: Float32Array,
  { channels, height, width }: ImageShape,
  shade: Shade,
  scale: number,
): Canvas {
  const small = createCanvas(width, height);
  const pixels = small.getContext('2d').createImageData(width, height);
  const size = height * width;
  const pixel = new Array<number>(channels);
  for (let at = 0; at < size; at++) {
    for (let channel = 0; channel < channels; channel++) pixel[channel] = values[channel * size + at]!;
    const [red, green, blue] = shade(pixel);
    // A Uint8ClampedArray: what lies outside 0..255, and so outside [0, 1], is clamped here.
    pixels.data[4 * at] = red;
    pixels.data[4 * at + 1] = green;
    pixels.data[4 * at + 2] = blue;
    pixels.data[4 * at + 3] = 255;
  }
  small.getContext('2d').putImageData(pixels, 0, 0);
  const large = createCanvas(scale * width, scale * height);
  const context = large.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, large.width, large.height);
  return large;
}
