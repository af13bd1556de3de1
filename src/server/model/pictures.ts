import type { ImageShape } from '../../runtime/attacks/images.ts';
import { fitPicture, type FitOptions } from '../../runtime/data/fit.ts';
import { decodePicture } from '../../runtime/data/picture.ts';
import { sizeText, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { encodePng, isPicture, levelsOf } from '../png.ts';
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
    if (!isPicture(image)) {
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

/** An image as a lossless WebP: the same pixels as {@link encodePng}. */
async function encodeWebp(values: Float32Array, image: ImageShape): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  const { height, width } = image;
  const raw = { width, height, channels: image.channels as 1 | 3 };
  return await sharp(levelsOf(values, image), { raw }).webp({ lossless: true }).toBuffer();
}

/** How an attacked image becomes a picture. JPEG is none of them: it changes pixels by more than most eps. */
const encoders = { 'image/png': encodePng, 'image/webp': encodeWebp } as const;
export type PictureType = keyof typeof encoders;

/** The bytes of a picture. Values are rounded to 8 bits. */
export const pictureOf = async (
  type: PictureType,
  values: Float32Array,
  image: ImageShape,
): Promise<Uint8Array> => await encoders[type](values, image);

/** A side of a WebP has 14 bits. */
const webpSide = 2 ** 14 - 1;

/** The pictures that images of such a shape can be answered as. */
export const pictureTypes = (image: ImageShape): readonly PictureType[] =>
  !isPicture(image)
    ? []
    : Math.max(image.height, image.width) > webpSide
      ? ['image/png']
      : ['image/png', 'image/webp'];
