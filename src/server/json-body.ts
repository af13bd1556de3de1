import { setImmediate } from 'node:timers/promises';
import { invalid, Problem, shorten } from './problem.ts';
import { pixels, side, type RequestLimits } from './schemas.ts';

const code = (character: string): number => character.charCodeAt(0);
const [open, brace, quote, comma] = [code('['), code('{'), code('"'), code(',')];

/** Quotes in a body: more than all of its fields need. */
const maxQuotes = 100;

/**
 * Parses a JSON body. One pass over its bytes first counts what costs time and memory to parse: a body of 2 MB may be a
 * million nested arrays, and parsing those stops the process for half a second.
 *
 * @throws Problem when it is not JSON, or holds more than a request of `limits.images` images can need.
 */
export function parseJson(bytes: Uint8Array, { images }: RequestLimits): unknown {
  let [brackets, quotes, commas] = [0, 0, 0];
  for (const byte of bytes) {
    if (byte === comma) commas++;
    else if (byte === open || byte === brace) brackets++;
    else if (byte === quote) quotes++;
  }
  const most = images + 1;
  const over = (what: string, value: number, limit: number): Problem =>
    invalid({ field: 'body', message: `Too many ${what} for ${images} images`, value, limit });
  // one image more than is allowed is parsed, so that its answer can say so by name
  if (brackets > most * (side + 1) + maxQuotes) throw over('arrays', brackets, most * (side + 1) + maxQuotes);
  if (commas > most * (pixels + 1) + maxQuotes) throw over('values', commas, most * (pixels + 1) + maxQuotes);
  if (quotes > maxQuotes) throw over('names and texts', quotes, maxQuotes);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    // V8 quotes the body; its position is enough
    const [, position] = /at position (\d+)/.exec((error as Error).message) ?? [];
    throw new Problem(
      'malformed-body',
      `the body is not JSON${position === undefined ? '' : `: it breaks off or has a fault at character ${position}`}`,
    );
  }
}

/**
 * The images of a JSON body: `n * 784` pixels. It stops at the first fault, and gives the event loop a turn between images.
 *
 * @throws Problem in the words of the schema, with field, value and limit.
 */
export async function imagesOf(value: unknown, limits: RequestLimits): Promise<Float32Array> {
  const images = arrayOf(value, 'images', 1, limits.images);
  const all = new Float32Array(images.length * pixels);
  let at = 0;
  for (const [i, image] of images.entries()) {
    if (i % 16 === 15) await setImmediate();
    for (const [y, row] of arrayOf(image, `images[${i}]`, side, side).entries()) {
      for (const [x, pixel] of arrayOf(row, `images[${i}][${y}]`, side, side).entries()) {
        if (typeof pixel === 'number' && pixel >= 0 && pixel <= 1) all[at++] = pixel;
        else throw pixelFault(pixel, `images[${i}][${y}][${x}]`);
      }
    }
  }
  return all;
}

function pixelFault(pixel: unknown, field: string): Problem {
  if (typeof pixel !== 'number') return wrongType(pixel, field, 'number');
  return pixel > 1
    ? invalid({ field, message: 'Too big: expected number to be <=1', value: pixel, limit: 1 })
    : invalid({ field, message: 'Too small: expected number to be >=0', value: pixel, limit: 0 });
}

/** An array of `least` to `most` elements. */
export function arrayOf(value: unknown, field: string, least: number, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongType(value, field, 'array');
  const { length } = value;
  if (length >= least && length <= most) return value;
  const [message, limit] =
    length > most
      ? [`Too big: expected array to have <=${most} items`, most]
      : [`Too small: expected array to have >=${least} items`, least];
  throw invalid({ field, message, value: shorten(value), limit });
}

function wrongType(value: unknown, field: string, expected: string): Problem {
  const received = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  return invalid({
    field,
    message: `Invalid input: expected ${expected}, received ${received}`,
    ...(value !== undefined && { value: shorten(value) }),
    limit: expected,
  });
}
