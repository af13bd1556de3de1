import { setImmediate } from 'node:timers/promises';
import type { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { ImageShape } from '../runtime/attacks/images.ts';
import { valuesOf } from '../runtime/classifier-card.ts';
import { bytesIn, parsed } from './body.ts';
import { invalid, Problem, shorten } from './problem.ts';
import type { RequestLimits } from './schemas.ts';

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
export function parseJson(bytes: Uint8Array, { images }: RequestLimits, image: ImageShape): unknown {
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
  const arrays = most * (arraysOf(image) + 1) + maxQuotes;
  const values = most * (valuesOf(image) + 1) + maxQuotes;
  if (brackets > arrays) throw over('arrays', brackets, arrays);
  if (commas > values) throw over('values', commas, values);
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
 * The images of a JSON body, and the options beside them.
 *
 * @param lists options that are lists of one value an image.
 * @throws Problem, which names what does not keep the schema.
 */
export async function jsonBody<T extends z.ZodType>(
  c: Context,
  schema: T,
  lists: readonly string[],
  limits: RequestLimits,
  image: ImageShape,
): Promise<{ readonly images: Float32Array; readonly options: z.infer<T> }> {
  const json = parseJson(await bytesIn(c), limits, image);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) parsed(schema, json);
  const { images: given, ...rest } = json as Readonly<Record<string, unknown>>;
  const images = await imagesOf(given, limits, image);
  // before each of them is looked at
  for (const list of lists) if (Array.isArray(rest[list])) arrayOf(rest[list], list, 0, limits.images);
  return { images, options: parsed(schema, rest) };
}

/** The arrays within an image: its rows, and its channels where there are several. */
const arraysOf = ({ channels, height }: ImageShape): number =>
  channels === 1 ? height : channels * (height + 1);

/**
 * The images of a JSON body, one after the other. It stops at the first fault, and gives the event loop a turn between images.
 *
 * @throws Problem in the words of the schema, with field, value and limit.
 */
async function imagesOf(
  value: unknown,
  limits: RequestLimits,
  { channels, height, width }: ImageShape,
): Promise<Float32Array> {
  const images = arrayOf(value, 'images', 1, limits.images);
  const all = new Float32Array(images.length * valuesOf({ channels, height, width }));
  let at = 0;
  const take = (rows: unknown, field: string): void => {
    for (const [y, row] of arrayOf(rows, field, height, height).entries()) {
      for (const [x, pixel] of arrayOf(row, `${field}[${y}]`, width, width).entries()) {
        if (typeof pixel === 'number' && pixel >= 0 && pixel <= 1) all[at++] = pixel;
        else throw pixelFault(pixel, `${field}[${y}][${x}]`);
      }
    }
  };
  for (const [i, image] of images.entries()) {
    if (i % 16 === 15) await setImmediate();
    const field = `images[${i}]`;
    if (channels === 1) take(image, field);
    else {
      for (const [c, rows] of arrayOf(image, field, channels, channels).entries())
        take(rows, `${field}[${c}]`);
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
function arrayOf(value: unknown, field: string, least: number, most: number): readonly unknown[] {
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
