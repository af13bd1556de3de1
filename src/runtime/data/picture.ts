import { overWhite } from './levels.ts';

/** A decoded picture: rows from the top, each pixel its red, green and blue, 0 to 255. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Whether the file has no colours; red, green and blue are then the same. */
  readonly grey: boolean;
  /** `height * width * 3` bytes. */
  readonly rgb: Uint8Array;
}

/**
 * Whether a file is a picture by its ending. Those that {@link decodePicture} does not read count, too, so that nobody
 * takes half a folder for all of it.
 */
export const isPictureName = (name: string): boolean =>
  /\.(png|jpe?g|webp|gif|bmp|tiff?|heic|heif|avif|jxl|jp2|p[bgpn]m)$/i.test(name);

const known: ReadonlySet<string> = new Set(['png', 'jpeg', 'webp']);

/** What sharp allows: 16383 pixels each way. */
const sharpPixels = 0x3fff ** 2;

/**
 * Decodes PNG, JPEG or WebP, told by the content. The pixels are those that Pillow's `convert('RGB')` gives, except that
 * the picture is turned as its EXIF orientation says, and that what is transparent is laid over white. Colour profiles
 * are not applied, of 16 bits the upper 8 are taken, and of an animation the first frame.
 *
 * @param mostPixels of a picture.
 * @throws Error with the reason in one line when the bytes are no such picture, or are damaged or truncated.
 */
export async function decodePicture(bytes: Uint8Array, mostPixels = sharpPixels): Promise<Picture> {
  if (bytes.length === 0) throw new Error('is empty; restore it');
  const { default: sharp } = await import('sharp');
  const file = sharp(bytes, { ignoreIcc: true, failOn: 'error', limitInputPixels: mostPixels });
  const { format, space } = await file.metadata().catch(failed(mostPixels));
  if (!known.has(format)) throw new Error(`is ${format}, no PNG, JPEG or WebP; convert it`);
  const inks = space === 'cmyk';
  const pixels = inks ? file.pipelineColourspace('cmyk').toColourspace('cmyk') : file.toColourspace('srgb');
  const { data, info } = await pixels
    .autoOrient()
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch(failed(mostPixels));
  const { width, height, channels } = info;
  const convert = inks ? fromInks : channels === 4 ? overWhite : undefined;
  return {
    width,
    height,
    grey: space === 'b-w' || space === 'grey16',
    rgb: convert ? everyFour(data, convert) : data,
  };
}

const failed =
  (mostPixels: number) =>
  (error: unknown): never => {
    const [line = ''] = (error as Error).message.split('\n', 1);
    throw new Error(reasonOf(line, mostPixels), { cause: error });
  };

function reasonOf(line: string, mostPixels: number): string {
  if (line.includes('unsupported image format')) return 'is no PNG, JPEG or WebP; convert it';
  if (line.includes('exceeds pixel limit'))
    return `has more than ${Math.floor(mostPixels / 1e6)} million pixels; make it smaller`;
  return `is damaged or truncated (${line}); restore it`;
}

type Convert = (byte: number, fourth: number) => number;

/** Three bytes of every four: each of the first three with the fourth. */
function everyFour(data: Uint8Array, convert: Convert): Uint8Array {
  const rgb = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    const fourth = data[from + 3]!;
    for (let i = 0; i < 3; i++) rgb[to++] = convert(data[from + i]!, fourth);
  }
  return rgb;
}

/** An ink over black, without profiles: (255 - ink) (255 - black) / 255, rounded as Pillow rounds it. */
const fromInks: Convert = (ink, black) => {
  const light = 255 - black;
  return Math.max(0, light - Math.round((ink * light) / 255));
};
