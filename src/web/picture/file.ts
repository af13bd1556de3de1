import type { ImageShape } from '../../runtime/attacks/images.ts';
import { imageOf } from '../../runtime/data/levels.ts';
import type { Rgba } from './grey.ts';

/**
 * A picture file, made smaller where a side of it is longer than `most` pixels.
 *
 * @throws Error in one line when the browser cannot read it as a picture.
 */
export async function readPicture(file: Blob, most: number): Promise<Rgba> {
  const bitmap = await bitmapOf(file);
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(scale * bitmap.width));
  const height = Math.max(1, Math.round(scale * bitmap.height));
  return drawn(bitmap, { left: 0, top: 0, width: bitmap.width, height: bitmap.height }, width, height);
}

/** The middle of a picture file, scaled to the size of an image. Throws as {@link readPicture}. */
export async function readImage(file: Blob, image: ImageShape): Promise<Float32Array> {
  const bitmap = await bitmapOf(file);
  const scale = Math.min(bitmap.width / image.width, bitmap.height / image.height);
  const [width, height] = [scale * image.width, scale * image.height];
  const middle = { left: (bitmap.width - width) / 2, top: (bitmap.height - height) / 2, width, height };
  return imageOf(drawn(bitmap, middle, image.width, image.height).data, image);
}

const bitmapOf = (file: Blob): Promise<ImageBitmap> =>
  createImageBitmap(file).catch(() => {
    throw new Error('This file is no picture that the browser can read; try a PNG or JPEG.');
  });

interface Part {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A part of a bitmap, scaled; the bitmap is closed. */
function drawn(bitmap: ImageBitmap, part: Part, width: number, height: number): Rgba {
  const context = new OffscreenCanvas(width, height).getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, part.left, part.top, part.width, part.height, 0, 0, width, height);
  bitmap.close();
  return { width, height, data: context.getImageData(0, 0, width, height).data };
}
