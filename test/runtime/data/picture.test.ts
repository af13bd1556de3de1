import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { PNG, type PNGOptions } from 'pngjs';
import { describe, expect, it, test } from 'vitest';
import { decodePicture } from '../../../src/runtime/data/picture.ts';
import { pictureFiles } from '../../support/picture-files.ts';

const { gif, ...read } = pictureFiles;

describe('a file that Pillow wrote', () => {
  it.each(Object.entries(read))('has the pixels that Pillow reads: %s', async (_, { bytes, ...expected }) => {
    const { width, height, rgb } = await decodePicture(bytes);
    expect({ width, height, sha256: createHash('sha256').update(rgb).digest('hex') }).toEqual(expected);
  });
});

const [width, height] = [7, 5];
const rgba = Buffer.from(Uint8Array.from({ length: width * height * 4 }, (_, i) => (i * 89 + 3) % 256));

/** A PNG as pngjs writes it. */
function png(options: PNGOptions, data: Buffer = rgba): Buffer {
  const picture = new PNG({ width, height, ...options });
  picture.data = data;
  return PNG.sync.write(picture, options);
}

/** The file with a chunk behind its header. */
function withChunk(file: Buffer, type: string, content: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + content.length);
  chunk.writeUInt32BE(content.length);
  chunk.write(type, 4, 'latin1');
  content.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + content.length)), 8 + content.length);
  return Buffer.concat([file.subarray(0, 33), chunk, file.subarray(33)]);
}

const opaque = Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3));
/** A PNG without transparency. */
const rgbPng = (): Buffer =>
  png({ colorType: 2, inputColorType: 2, inputHasAlpha: false }, Buffer.from(opaque));

describe('a PNG', () => {
  it('has exactly the pixels that were written', async () => {
    const picture = await decodePicture(rgbPng());
    expect(picture).toMatchObject({ width, height, grey: false });
    expect(Uint8Array.from(picture.rgb)).toEqual(opaque);
  });

  it('has the same pixels whatever gamma it gives', async () => {
    const gamma = Buffer.alloc(4);
    gamma.writeUInt32BE(100_000);
    const { rgb } = await decodePicture(withChunk(rgbPng(), 'gAMA', gamma));
    expect(Uint8Array.from(rgb)).toEqual(opaque);
  });

  it('in grey has three equal channels', async () => {
    const values = Buffer.from(Uint8Array.from({ length: width * height }, (_, i) => 7 * i));
    const file = png({ colorType: 0, inputColorType: 0, inputHasAlpha: false }, values);
    const { grey, rgb } = await decodePicture(file);
    expect(grey).toBe(true);
    expect(Uint8Array.from(rgb)).toEqual(
      Uint8Array.from({ length: 3 * values.length }, (_, i) => 7 * Math.floor(i / 3)),
    );
  });

  it('of 16 bits loses the lower 8', async () => {
    const values = Uint16Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 65_536);
    const options = { colorType: 2, bitDepth: 16, inputColorType: 2, inputHasAlpha: false } as const;
    const { rgb } = await decodePicture(png(options, Buffer.from(values.buffer)));
    expect(Uint8Array.from(rgb)).toEqual(Uint8Array.from(values, (value) => value >> 8));
  });

  it('that is partly transparent lies over white', async () => {
    const { rgb } = await decodePicture(png({ colorType: 6 }));
    const expected = Array.from(opaque, (byte, i) => {
      const alpha = rgba[4 * Math.floor(i / 3) + 3]! / 255;
      return byte * alpha + 255 * (1 - alpha);
    });
    for (const [i, value] of expected.entries()) expect(Math.abs(rgb[i]! - value)).toBeLessThanOrEqual(0.51);
  });
});

describe('what cannot be read', () => {
  const reasonOf = (bytes: Uint8Array): Promise<string> =>
    decodePicture(bytes).then(
      () => 'was read',
      (error: unknown) => (error as Error).message,
    );

  it('is another kind of picture', async () => {
    expect(await reasonOf(gif.bytes)).toBe('is gif, no PNG, JPEG or WebP; convert it');
  });

  it('is no picture', async () => {
    for (const bytes of [new Uint8Array(), Buffer.from('no picture')]) {
      expect(await reasonOf(bytes)).toMatch(/^is (empty|no PNG, JPEG or WebP; convert it)/);
    }
  });

  const { jpeg, cmyk, webp, animated } = read;
  const files = {
    jpeg: jpeg.bytes,
    cmyk: cmyk.bytes,
    webp: webp.bytes,
    animated: animated.bytes,
    png: png({}),
  };
  test.each(Object.entries(files))('is a truncated file, wherever it ends: %s', async (kind, bytes) => {
    // the last chunk of a PNG is empty, and tells nothing that is missing
    const whole = kind === 'png' ? bytes.length - 12 : bytes.length;
    for (let length = 1; length < whole; length += 3) {
      const reason = await reasonOf(bytes.subarray(0, length));
      expect(reason, `${length} of ${bytes.length} bytes`).toMatch(/^is (no PNG|damaged or truncated)/);
      expect(reason).not.toContain('\n');
    }
  });

  it('is a picture that would fill the memory', async () => {
    const file = rgbPng();
    file.writeUInt32BE(20_000, 16);
    file.writeUInt32BE(20_000, 20);
    file.writeUInt32BE(crc32(file.subarray(12, 29)), 29);
    expect(await reasonOf(file)).toBe('has more than 268 million pixels; make it smaller');
  });

  it('is a PNG with a changed byte in its pixels', async () => {
    const file = rgbPng();
    const at = file.indexOf('IDAT') + 20;
    expect(await reasonOf(file.fill(file[at]! ^ 0xff, at, at + 1))).toMatch('is damaged or truncated');
  });
});
