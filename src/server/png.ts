import { crc32, inflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import type { ImageShape } from '../runtime/attacks/images.ts';
import { sizeText, valuesOf } from '../runtime/classifier-card.ts';
import { imageOf, lumaOf } from '../runtime/data/levels.ts';
import { invalid, Problem } from './problem.ts';

const signature = Buffer.from('89504e470d0a1a0a', 'hex');
/** Whether such images can be a PNG at all: in grey, or in red, green and blue. */
export const isPicture = ({ channels }: ImageShape): boolean => channels === 1 || channels === 3;

/** Twice an uncompressed picture of four 16-bit channels, at least 64 KiB: room for comments and profiles. */
const maxBytesOf = ({ height, width }: ImageShape): number =>
  Math.max(64 * 1024, 2 * height * (1 + 8 * width));

/**
 * A PNG as the values of one image, from 0 to 1, as {@link imageOf} has them. For images of one channel, a picture most of
 * which is transparent is a drawing, see {@link inkOf}. Bytes after its end are passed over, as viewers do.
 *
 * Before the decoder sees it, its chunks are walked: one header, of this size, and no more pixels behind it than such a
 * picture has. A decoder that believed a second header would make gigabytes of a small file.
 *
 * @param field what the picture is called in errors.
 * @throws Problem when it is no PNG, damaged, or of another size.
 */
export function decodePng(bytes: Uint8Array, field: string, image: ImageShape): Float32Array {
  if (!isPicture(image)) {
    throw invalid({
      field,
      message: `An image of ${image.channels} channels is no PNG; send application/json`,
      limit: 'application/json',
    });
  }
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (file.length < 8 || !file.subarray(0, 8).equals(signature)) throw malformed(field, 'is not a PNG');
  const maxBytes = maxBytesOf(image);
  if (file.length > maxBytes) {
    throw new Problem('body-too-large', `${field}: a PNG of ${sizeText(image)} may have ${maxBytes} bytes`, {
      errors: [{ field, message: 'Too many bytes', value: file.length, limit: maxBytes }],
    });
  }
  const rgba = rgbaOf(checked(file, field, image), field);
  if (rgba.length !== 4 * image.height * image.width) throw malformed(field, damaged);
  return image.channels === 1 && isDrawing(rgba) ? inkOf(rgba) : imageOf(rgba, image);
}

/** Red, green, blue and opacity of each pixel, 0 to 255: of 16 bits, the upper 8. */
function rgbaOf(picture: Buffer, field: string): Uint8Array {
  const skipRescale = picture[24] === 16;
  try {
    const { data }: { data: Uint8Array | Uint16Array } = PNG.sync.read(picture, { skipRescale });
    return skipRescale ? Uint8Array.from(data, (value) => value >> 8) : (data as Uint8Array);
  } catch {
    throw malformed(field, damaged);
  }
}

const damaged = 'is a damaged or truncated PNG';

/** The file up to its end, once its chunks are those of a picture of this size. */
function checked(file: Buffer, field: string, image: ImageShape): Buffer {
  const data: Buffer[] = [];
  let scanlines: number | null = null;
  for (let at = 8; at + 12 <= file.length;) {
    const length = file.readUInt32BE(at);
    const end = at + 12 + length;
    if (end > file.length) break;
    const type = file.toString('latin1', at + 4, at + 8);
    const content = file.subarray(at + 8, end - 4);
    if ((scanlines === null) !== (type === 'IHDR')) throw malformed(field, damaged);
    if (crc32(file.subarray(at + 4, end - 4)) !== file.readUInt32BE(end - 4)) throw malformed(field, damaged);
    if (type === 'IHDR') scanlines = bytesOfScanlines(content, field, image);
    else if (type === 'IDAT') data.push(content);
    else if (type === 'IEND') {
      if (inflated(Buffer.concat(data), scanlines!) !== scanlines) throw malformed(field, damaged);
      return file.subarray(0, end);
    }
    at = end;
  }
  throw malformed(field, damaged);
}

/** Bytes of an inflated picture, with the filter's byte that each row begins with (PNG specification, 11.2.1). */
function bytesOfScanlines(header: Buffer, field: string, image: ImageShape): number {
  if (header.length !== 13) throw malformed(field, damaged);
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  if (width !== image.width || height !== image.height) {
    const size = sizeText(image);
    throw invalid({
      field,
      message: `The picture must be ${size} pixels${image.channels === 1 ? ', white on black' : ''}; resize it`,
      value: `${width}x${height}`,
      limit: size,
    });
  }
  if (header[12] !== 0) {
    throw invalid({
      field,
      message: 'Interlaced PNG is not understood; save it without',
      limit: 'not interlaced',
    });
  }
  const [depth, colour] = [header[8]!, header[9]!];
  const channels = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[colour];
  if (channels === undefined || ![1, 2, 4, 8, 16].includes(depth)) throw malformed(field, damaged);
  return height * (1 + Math.ceil((width * channels * depth) / 8));
}

/** How many bytes the data inflates to: -1 when it is damaged or there are more than `most`. */
function inflated(data: Buffer, most: number): number {
  try {
    return inflateSync(data, { maxOutputLength: most }).length;
  } catch {
    return -1;
  }
}

/**
 * The ink of a drawing on a transparent ground, from 0 to 1: what is opaque and light, or, where most of the ink is dark,
 * what is opaque and dark.
 */
function inkOf(rgba: Uint8Array): Float32Array {
  const pixels = rgba.length / 4;
  const opaque = Float32Array.from({ length: pixels }, (_, i) => rgba[4 * i + 3]! / 255);
  const light = opaque.map((alpha, i) => {
    const [red, green, blue] = rgba.subarray(4 * i, 4 * i + 3);
    return (alpha * lumaOf(red!, green!, blue!)) / 255;
  });
  return sum(light) >= sum(opaque) / 2 ? light : light.map((value, i) => opaque[i]! - value);
}

const isDrawing = (rgba: Uint8Array): boolean => {
  const pixels = rgba.length / 4;
  let transparent = 0;
  for (let i = 0; i < pixels; i++) if (rgba[4 * i + 3]! < 128) transparent++;
  return transparent > pixels / 2;
};

const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);

const malformed = (field: string, problem: string): Problem =>
  new Problem('malformed-body', `${field} ${problem}`, { errors: [{ field, message: `It ${problem}` }] });

/** An image in 8 bits, grey or red, green and blue of each pixel. Values are rounded; those outside 0..1 are clipped. */
export function levelsOf(values: Float32Array, image: ImageShape): Buffer {
  const { channels, height, width } = image;
  const pixels = height * width;
  return Buffer.from(
    Uint8Array.from({ length: valuesOf(image) }, (_, at) => {
      const x = values[(at % channels) * pixels + Math.floor(at / channels)]!;
      return Math.round(255 * Math.min(1, Math.max(0, x)));
    }),
  );
}

/** An image as an 8-bit PNG, grey or in colour. Values are rounded; those outside 0..1 are clipped. */
export function encodePng(values: Float32Array, image: ImageShape): Uint8Array {
  const { channels, height, width } = image;
  const colorType = channels === 1 ? 0 : 2;
  const png = new PNG({ width, height, colorType, inputColorType: colorType, inputHasAlpha: false });
  png.data = levelsOf(values, image);
  return PNG.sync.write(png, { colorType, inputColorType: colorType, inputHasAlpha: false });
}
