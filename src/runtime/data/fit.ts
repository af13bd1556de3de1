import type { Interpolation } from '../../models/classifier/options.ts';
import type { ImageShape } from '../attacks/images.ts';
import { InputError } from '../errors.ts';
import { lumaOf } from './levels.ts';
import type { Picture } from './picture.ts';
import { interpolations, resample, type Pixels, type Size } from './resample.ts';

/** How a picture of any size becomes an image. */
export interface FitOptions {
  /**
   * The length to which the shorter side is resized before the middle is cropped: torchvision's `Resize`; or height and
   * width of the whole picture before that, which changes its proportions. Left out, the picture is made to cover 8/7 of
   * the image, rounded (256 for 224, 342 for 299), or all of it where a side of the image is below 64; a picture that has
   * the size of the image is then left as it is.
   */
  readonly resize?: number | readonly [height: number, width: number];
  /** `false` resizes the whole picture to the size of the image, which changes its proportions. Default `true`. */
  readonly crop?: boolean;
  /** Default `bilinear`. */
  readonly interpolation?: Interpolation;
}

/** The longest side of a resized picture. */
const longest = 16_384;

const isLength = (side: number, least: number): boolean =>
  Number.isInteger(side) && side >= least && side <= longest;

/** Images below this are no photos, and no border of them is cropped. */
const smallest = 64;

/** Throws InputError when pictures cannot be fitted like this. */
export function checkFit(
  { channels, width, height }: ImageShape,
  { resize, crop = true, interpolation = 'bilinear' }: FitOptions,
): void {
  if (channels !== 1 && channels !== 3) {
    throw new InputError(
      `pictures have 1 or 3 channels, the classifier takes ${channels}; give its images as an npy file`,
    );
  }
  if (!interpolations.includes(interpolation)) {
    throw new InputError(
      `interpolation must be one of ${interpolations.join(', ')}; got ${String(interpolation)}`,
    );
  }
  if (resize === undefined) return;
  if (!crop) throw new InputError('resize and crop: false exclude each other; leave one out');
  if (typeof resize === 'number') {
    const least = Math.max(width, height);
    if (isLength(resize, least)) return;
    throw new InputError(
      `resize must be an integer in ${least}..${longest}, the image's longer side at least; got ${resize}`,
    );
  }
  if (isLength(resize[0], height) && isLength(resize[1], width)) return;
  throw new InputError(
    `resize must be integers from ${height}x${width}, the image's size, to ${longest}x${longest}; got ${resize.join('x')}`,
  );
}

/**
 * A picture as an image: resized as torchvision's `Resize` does it (with antialias), the middle cropped as
 * `CenterCrop` does, and made grey (ITU-R BT.601, as Pillow's `convert('L')`) where the image has one channel.
 *
 * @returns [channels, height, width], 0 to 255.
 */
export function fitPicture(picture: Picture, shape: ImageShape, options: FitOptions = {}): Uint8Array {
  const size = sizeBefore(picture, shape, options);
  const pixels = shape.channels === 1 ? greyOf(picture) : { ...picture, channels: 3, data: picture.rgb };
  const { width, height } = shape;
  const middle = { left: halfOf(size.width - width), top: halfOf(size.height - height), width, height };
  return planesOf(resample(pixels, size, middle, options.interpolation));
}

/** The size to which a picture is resized before it is cropped. */
function sizeBefore(picture: Size, image: ImageShape, { resize, crop = true }: FitOptions): Size {
  if (typeof resize === 'object') return { height: resize[0], width: resize[1] };
  const same = picture.width === image.width && picture.height === image.height;
  if (!crop || (same && resize === undefined)) return image;
  const border = Math.min(image.width, image.height) < smallest ? 1 : 8 / 7;
  const wanted: Size =
    resize === undefined
      ? { width: Math.round(image.width * border), height: Math.round(image.height * border) }
      : { width: resize, height: resize };
  // torchvision cuts the longer side's fraction off
  return picture.width * wanted.height <= picture.height * wanted.width
    ? { width: wanted.width, height: Math.trunc((wanted.width * picture.height) / picture.width) }
    : { width: Math.trunc((wanted.height * picture.width) / picture.height), height: wanted.height };
}

function greyOf({ width, height, rgb }: Picture): Pixels {
  const data = new Uint8Array(width * height);
  for (let i = 0; i < data.length; i++) data[i] = lumaOf(rgb[3 * i]!, rgb[3 * i + 1]!, rgb[3 * i + 2]!);
  return { width, height, channels: 1, data };
}

/** Pixels with a plane for each channel. */
function planesOf({ channels, data }: Pixels): Uint8Array {
  const result = new Uint8Array(data.length);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (let i = c; i < data.length; i += channels) result[at++] = data[i]!;
  }
  return result;
}

/** Half of an integer, to the even neighbour where it lies between two, as Python rounds. */
function halfOf(n: number): number {
  const half = Math.floor(n / 2);
  return n % 2 === 1 && half % 2 === 1 ? half + 1 : half;
}
