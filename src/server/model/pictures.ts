import { fitPicture, type FitOptions } from '../../runtime/data/fit.ts';
import { decodePicture } from '../../runtime/data/picture.ts';
import { sizeText, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { invalid, Problem } from '../problem.ts';

/** Pixels that a picture may have: more than cameras give, and 200 MB when it is decoded. */
const mostPixels = 64 * 1024 * 1024;

/** Reads pictures one at a time, because a small file may decode to much. */
export type ReadPicture = (bytes: Uint8Array, field: string) => Promise<Float32Array>;

/**
 * What turns PNG, JPEG and WebP into images of a classifier, in 0..1.
 *
 * @param fit how pictures of another size are fitted; null rejects them.
 * @returns throws Problem, which names the picture by `field`.
 */
export function pictureReader({ image }: ClassifierCard, fit: FitOptions | null): ReadPicture {
  let last: Promise<unknown> = Promise.resolve();
  const read: ReadPicture = async (bytes, field) => {
    if (image.channels !== 1 && image.channels !== 3) {
      throw invalid({
        field,
        message: `An image of ${image.channels} channels is no picture; send application/json`,
        limit: 'application/json',
      });
    }
    const picture = await decodePicture(bytes, mostPixels).catch((error: Error) => {
      throw new Problem('malformed-body', `${field} ${error.message}`, {
        errors: [{ field, message: `It ${error.message}` }],
      });
    });
    if (fit === null && (picture.width !== image.width || picture.height !== image.height)) {
      throw invalid({
        field,
        message: `The picture must be ${sizeText(image)} pixels; resize it, or start the server with --resize`,
        value: sizeText(picture),
        limit: sizeText(image),
      });
    }
    return Float32Array.from(fitPicture(picture, image, fit ?? {}), (byte) => byte / 255);
  };
  return (bytes, field) => {
    const one = last.then(() => read(bytes, field));
    last = one.catch(() => {});
    return one;
  };
}
