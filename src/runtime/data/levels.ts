import type { ImageShape } from '../attacks/images.ts';

/** How light a colour of levels 0 to 255 is: ITU-R BT.601, in weights of 2^-16 and rounded, as Pillow's `convert('L')`. */
export const lumaOf = (red: number, green: number, blue: number): number =>
  (19_595 * red + 38_470 * green + 7471 * blue + 0x8000) >> 16;

/** A level, 0 to 255, that lies with an opacity of 0 to 255 over white. */
export const overWhite = (level: number, alpha: number): number =>
  Math.round((level * alpha + 255 * (255 - alpha)) / 255);

/**
 * The values, 0 to 1, of an image of one or three channels, a plane each, out of levels of red, green, blue and opacity,
 * pixel by pixel: what is transparent lies over white, and one channel is how light the colours are. Pictures of a data set
 * that need no resizing have the same values.
 */
export function imageOf(rgba: ArrayLike<number>, { channels }: ImageShape): Float32Array {
  const pixels = rgba.length / 4;
  const over = (pixel: number, channel: number): number =>
    overWhite(rgba[4 * pixel + channel]!, rgba[4 * pixel + 3]!);
  return Float32Array.from({ length: channels * pixels }, (_, at) => {
    const pixel = at % pixels;
    const level =
      channels === 1
        ? lumaOf(over(pixel, 0), over(pixel, 1), over(pixel, 2))
        : over(pixel, Math.floor(at / pixels));
    return level / 255;
  });
}
