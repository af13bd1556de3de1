import { greyOf, type Grey } from './fit.ts';

/** Larger pictures are made smaller first: a digit of 28 pixels needs no more. */
const most = 560;

/**
 * A picture file as grey values: see {@link greyOf}.
 *
 * @throws Error in one line when the browser cannot read it as a picture.
 */
export async function readPicture(file: Blob): Promise<Grey> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error('This file is no picture that the browser can read; try a PNG or JPEG.');
  });
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(scale * bitmap.width));
  const height = Math.max(1, Math.round(scale * bitmap.height));
  const context = new OffscreenCanvas(width, height).getContext('2d')!;
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return greyOf({ width, height, data });
}
