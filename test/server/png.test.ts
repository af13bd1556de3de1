import { crc32, deflateSync } from 'node:zlib';
import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { fitPicture } from '../../src/runtime/data/fit.ts';
import { decodePicture } from '../../src/runtime/data/picture.ts';
import { stream } from '../../src/runtime/random.ts';
import { decodePng } from '../../src/server/png.ts';
import { Problem } from '../../src/server/problem.ts';
import '../support/run.ts';
import { digitPng, digits, digitShape } from '../support/server.ts';

const digit = digits(1);
const signature = Buffer.from('89504e470d0a1a0a', 'hex');

function chunk(type: string, data: Uint8Array = new Uint8Array()): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}

function header(width: number, height: number, depth = 8, colour = 0): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width);
  data.writeUInt32BE(height, 4);
  data.set([depth, colour, 0, 0, 0], 8);
  return chunk('IHDR', data);
}

const file = (...chunks: readonly Buffer[]): Buffer => Buffer.concat([signature, ...chunks, chunk('IEND')]);
const idat = (bytes: Uint8Array): Buffer => chunk('IDAT', deflateSync(bytes, { level: 9 }));
const rows = Buffer.alloc(28 * 29);

/** A picture of four channels, pixel by pixel. */
function rgba(pixel: (ink: number) => readonly [number, number, number, number]): Uint8Array {
  const png = new PNG({ width: 28, height: 28 });
  digit.forEach((ink, i) => png.data.set(pixel(ink), 4 * i));
  return PNG.sync.write(png);
}

const rejected = (bytes: Uint8Array): number => {
  try {
    decodePng(bytes, 'body', digitShape);
  } catch (error) {
    if (error instanceof Problem) return error.status;
    throw error;
  }
  return 200;
};

describe('decodePng', () => {
  it.each([
    ['a smaller picture', header(1, 1), idat(Buffer.from([0, 255]))],
    ['a narrower picture', header(27, 28), idat(Buffer.alloc(28 * 28))],
    ['a larger picture', header(100, 100), idat(Buffer.alloc(100 * 101))],
    ['gigabytes', header(1, 2 ** 25), idat(Buffer.alloc(2 ** 25))],
  ])('rejects a second header, of %s, in less than 50 ms', (_, second, data) => {
    const bytes = file(header(28, 28), second, data);
    const before = process.cpuUsage();
    expect(rejected(bytes)).toBe(400);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(50);
  });

  it.each([
    ['before its header', file(chunk('tEXt'), header(28, 28), idat(rows))],
    ['with another checksum', file(header(28, 28), idat(rows).fill(0, 12))],
    ['with more pixels than its header says', file(header(28, 28), idat(Buffer.alloc(2 ** 20)))],
    ['with fewer pixels than its header says', file(header(28, 28), idat(rows.subarray(29)))],
    ['with a depth that there is not', file(header(28, 28, 7), idat(rows))],
    ['with a colour type that there is not', file(header(28, 28, 8, 5), idat(rows))],
    ['without pixels', file(header(28, 28))],
    ['without an end', file(header(28, 28), idat(rows)).subarray(0, -12)],
    ['of its signature alone', signature],
    [
      'with a chunk that is longer than the file',
      Buffer.concat([signature, header(28, 28), Buffer.from('7fffffff49444154', 'hex')]),
    ],
  ])('rejects a file %s', (_, bytes) => {
    expect(rejected(bytes)).toBe(400);
  });

  it('passes over bytes behind the end', () => {
    expect(decodePng(Buffer.concat([digitPng(digit), Buffer.from('\nrest')]), 'body', digitShape)).toEqual(
      decodePng(digitPng(digit), 'body', digitShape),
    );
  });

  it.each([
    ['white ink on transparent ground', (ink: number) => [255, 255, 255, 255 * ink] as const],
    ['black ink on transparent ground', (ink: number) => [0, 0, 0, 255 * ink] as const],
    [
      'white ink on transparent black',
      (ink: number) => (ink > 0 ? ([255, 255, 255, 255 * ink] as const) : ([0, 0, 0, 0] as const)),
    ],
    ['white ink on opaque black', (ink: number) => [255 * ink, 255 * ink, 255 * ink, 255] as const],
  ])('reads %s as ink', (_, pixel) => {
    expect(decodePng(rgba(pixel), 'body', digitShape)).toBeAllClose(digit, { atol: 1 / 255 });
  });

  it('lays transparent corners of a light picture over white', () => {
    let at = 0;
    const image = decodePng(
      rgba((ink) => [255 * ink, 255 * ink, 255 * ink, at++ < 28 ? 0 : 255]),
      'body',
      digitShape,
    );
    expect(image).toBeAllClose(
      digit.map((ink, i) => (i < 28 ? 1 : ink)),
      { atol: 1 / 255 },
    );
  });

  it.each([
    ['grey', 0, 8],
    ['grey of 16 bits', 0, 16],
    ['grey with opacity', 4, 8],
    ['colours', 2, 8],
    ['colours of 16 bits', 2, 16],
    ['colours with opacity', 6, 8],
    ['colours with opacity, of 16 bits', 6, 16],
  ])('gives the image that the same picture is in a data set: %s', async (_, colour, depth) => {
    const samples = { 0: 1, 2: 3, 4: 2, 6: 4 }[colour]! * (depth / 8);
    const random = stream(1, `${colour} ${depth}`);
    const bytes = Buffer.from(
      Array.from({ length: 28 * (1 + 28 * samples) }, (_, i) =>
        // mostly opaque: no drawing
        i % (1 + 28 * samples) === 0 ? 0 : 64 + random.below(192),
      ),
    );
    const picture = file(header(28, 28, depth, colour), idat(bytes));
    for (const channels of [1, 3]) {
      const shape = { channels, height: 28, width: 28 };
      const levels = fitPicture(await decodePicture(picture), shape);
      expect(decodePng(picture, 'body', shape).map((value) => Math.round(255 * value))).toEqual(
        Float32Array.from(levels),
      );
    }
  });

  it.each([
    [1, 0],
    [4, 0],
    [8, 2],
    [16, 6],
  ])('takes a picture of depth %d and colour type %d', (depth, colour) => {
    const channels = { 0: 1, 2: 3, 6: 4 }[colour]!;
    const bytes = 28 * (1 + Math.ceil((28 * depth * channels) / 8));
    expect(rejected(file(header(28, 28, depth, colour), idat(Buffer.alloc(bytes))))).toBe(200);
  });
});
