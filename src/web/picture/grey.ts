import { lumaOf } from '../../runtime/data/levels.ts';

/** A picture: red, green, blue and alpha of each pixel, 0..255, not premultiplied. */
export interface Rgba {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

/** A grey picture of any size: 0 is black, 1 is white, row by row. */
export interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/**
 * The grey values of a picture of one digit that may have transparent parts. Those take the ground that its ink stands out
 * from: white where what is visible is dark, black otherwise.
 */
export function greyOf({ width, height, data }: Rgba): Grey {
  const luma = new Float32Array(width * height);
  const alpha = new Float32Array(width * height);
  let [seen, light] = [0, 0];
  for (let i = 0; i < luma.length; i++) {
    const [red, green, blue] = [data[4 * i]!, data[4 * i + 1]!, data[4 * i + 2]!];
    luma[i] = lumaOf(red, green, blue) / 255;
    alpha[i] = data[4 * i + 3]! / 255;
    seen += alpha[i]!;
    light += alpha[i]! * luma[i]!;
  }
  const ground = seen > 0 && light / seen < 0.5 ? 1 : 0;
  return { width, height, data: luma.map((value, i) => alpha[i]! * value + (1 - alpha[i]!) * ground) };
}
