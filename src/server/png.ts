import { PNG } from 'pngjs';
import { invalid, Problem } from './problem.ts';
import { pixels, side } from './schemas.ts';

const signature = Buffer.from('89504e470d0a1a0a', 'hex');
/** An uncompressed 28x28 picture of four 16-bit channels takes 6.3 kB; the rest is room for comments and profiles. */
const maxBytes = 64 * 1024;

/**
 * A PNG of 28x28 pixels as grey values from 0 to 1; colours become their luminance, transparent pixels black.
 *
 * Size and kind are read from the header before anything is inflated, and no more is inflated than such a picture
 * holds, so a small file cannot become a large one.
 *
 * @param field what the picture is called in errors.
 * @throws Problem when it is no PNG, damaged, or of another size.
 */
export function decodePng(bytes: Uint8Array, field: string): Float32Array {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = 8 + 8 + 13;
  if (
    file.length < header ||
    !file.subarray(0, 8).equals(signature) ||
    file.toString('latin1', 12, 16) !== 'IHDR'
  ) {
    throw malformed(field, 'is not a PNG');
  }
  if (file.length > maxBytes) {
    throw new Problem('body-too-large', `${field}: a PNG of ${side}x${side} may have ${maxBytes} bytes`, {
      errors: [{ field, message: 'Too many bytes', value: file.length, limit: maxBytes }],
    });
  }
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  if (width !== side || height !== side) {
    throw invalid({
      field,
      message: `The picture must be ${side}x${side} pixels, white on black; resize it`,
      value: `${width}x${height}`,
      limit: `${side}x${side}`,
    });
  }
  if (file[28] !== 0) {
    throw invalid({
      field,
      message: 'Interlaced PNG is not understood; save it without',
      limit: 'not interlaced',
    });
  }
  let rgba: Buffer;
  try {
    rgba = PNG.sync.read(file, { checkCRC: true }).data;
  } catch {
    throw malformed(field, 'is a damaged or truncated PNG');
  }
  const image = new Float32Array(pixels);
  for (let i = 0; i < pixels; i++) {
    const [red, green, blue, alpha] = [rgba[4 * i]!, rgba[4 * i + 1]!, rgba[4 * i + 2]!, rgba[4 * i + 3]!];
    // Rec. 709, as CSS and Canvas weigh them; exact for grey
    const grey = red === green && green === blue ? red : 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    image[i] = (grey * alpha) / (255 * 255);
  }
  return image;
}

const malformed = (field: string, problem: string): Problem =>
  new Problem('malformed-body', `${field} ${problem}`, { errors: [{ field, message: `It ${problem}` }] });

/** An 8-bit grey PNG of 28x28 pixels. Values are rounded; those outside 0..1 are clipped. */
export function encodePng(image: Float32Array): Uint8Array {
  const png = new PNG({ width: side, height: side, colorType: 0, inputColorType: 0, inputHasAlpha: false });
  png.data = Buffer.from(image.map((x) => Math.round(255 * Math.min(1, Math.max(0, x)))));
  return PNG.sync.write(png, { colorType: 0, inputColorType: 0, inputHasAlpha: false });
}
