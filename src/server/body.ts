import { setImmediate } from 'node:timers/promises';
import type { Context } from 'hono';
import type { z } from '@hono/zod-openapi';
import type { ImageShape } from '../runtime/attacks/images.ts';
import { sizeText, valuesOf } from '../runtime/classifier-card.ts';
import { cut, invalid, invalidBy, Problem, shorten } from './problem.ts';
import type { RequestLimits } from './schemas.ts';

/** The type of a body without its parameters. */
export const mediaTypeOf = (c: Context): string =>
  c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase() ?? 'missing';

/** A body as it came. */
export const bytesIn = async (c: Context): Promise<Uint8Array> => new Uint8Array(await c.req.arrayBuffer());

/** Throws Problem when a body has an encoding. */
export function demandPlain(c: Context): void {
  const encoding = c.req.header('content-encoding');
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    throw new Problem('unsupported-media-type', 'a body must be sent as it is, without Content-Encoding', {
      headers: { 'accept-encoding': 'identity' },
      errors: [
        {
          field: 'Content-Encoding',
          message: 'No such encoding',
          value: shorten(encoding),
          limit: 'identity',
        },
      ],
    });
  }
}

/** Options that came as text. */
export type Query = Readonly<Record<string, string>>;

/** The query's options. Throws Problem when one stands there twice. */
const queryOf = (c: Context): Query => once(new URLSearchParams(new URL(c.req.url).search));

/**
 * The options in the query of a body that holds none itself.
 *
 * @throws Problem when they belong in the body, or one stands there twice.
 */
export function optionsIn(c: Context, type: string): Query {
  const query = queryOf(c);
  const [misplaced] = type === 'application/json' || type === 'multipart/form-data' ? Object.keys(query) : [];
  if (misplaced === undefined) return query;
  throw invalid({ field: cut(misplaced), message: `With ${type} it belongs in the body` });
}

/** Values by their key. Throws Problem when a key comes twice. */
export function once<T>(pairs: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const values = new Map<string, T>();
  for (const [key, value] of pairs) {
    if (values.has(key)) throw twice(key);
    values.set(key, value);
  }
  return Object.fromEntries(values);
}

const twice = (field: string): Problem =>
  invalid({ field: cut(field), message: 'It may be given once', limit: 1 });

/** Parts of a multipart body beside its images: more than there are options. */
const maxFields = 16;

/** The pictures of a multipart body, which are its fields `images`, and its other fields. */
export async function filesOf(
  c: Context,
  limits: RequestLimits,
): Promise<{
  readonly files: readonly FormDataEntryValue[];
  readonly fields: Readonly<Record<string, unknown>>;
}> {
  const form = await formOf(c, limits);
  const files = form.getAll('images');
  form.delete('images');
  if (files.length < 1 || files.length > limits.images) {
    const message = `There must be 1 to ${limits.images} files`;
    throw invalid({ field: 'images', message, value: files.length, limit: limits.images });
  }
  return { files, fields: once(form) };
}

/**
 * The images of such pictures, one after the other. Each takes as long as a request of its own, so the event loop has a
 * turn after each.
 *
 * @param kind of file, for messages.
 */
export async function imagesOfFiles(
  files: readonly FormDataEntryValue[],
  size: number,
  kind: string,
  decode: (bytes: Uint8Array, field: string) => Float32Array | Promise<Float32Array>,
): Promise<Float32Array> {
  const images = new Float32Array(files.length * size);
  for (const [i, file] of files.entries()) {
    const field = `images[${i}]`;
    if (typeof file === 'string') throw invalid({ field, message: `It must be a ${kind}`, limit: 'file' });
    images.set(await decode(new Uint8Array(await file.arrayBuffer()), field), i * size);
    await setImmediate();
  }
  return images;
}

/** A multipart body, when it has no more parts than a request can need: parsing takes long for each. */
async function formOf(c: Context, limits: RequestLimits): Promise<FormData> {
  const type = c.req.header('content-type') ?? '';
  const body = Buffer.from(await c.req.arrayBuffer());
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(type) ?? [];
  const boundary = quoted ?? plain;
  const broken = (): Problem =>
    new Problem('malformed-body', 'the body is not multipart/form-data with its boundary');
  if (boundary === undefined) throw broken();
  const most = limits.images + maxFields;
  let parts = -1;
  for (let at = body.indexOf(`--${boundary}`); at >= 0; at = body.indexOf(`--${boundary}`, at + 1)) {
    if (++parts > most) {
      throw invalid({
        field: 'images',
        message: `There must be 1 to ${limits.images} files`,
        value: `more than ${most} parts`,
        limit: limits.images,
      });
    }
  }
  return await new Response(body, { headers: { 'content-type': type } }).formData().catch(() => {
    throw broken();
  });
}

/** Data that keeps a schema. Throws Problem, which names what does not. */
export function parsed<T extends z.ZodType>(schema: T, data: unknown): z.infer<T> {
  const result = schema.safeParse(data);
  if (!result.success) throw invalidBy(result.error, data);
  return result.data;
}

/** Little-endian float32, image after image, each in 0..1. */
export function decodeFloats(bytes: Uint8Array, limits: RequestLimits, image: ImageShape): Float32Array {
  const values = valuesOf(image);
  const size = 4 * values;
  const count = bytes.length / size;
  if (!Number.isInteger(count) || count < 1 || count > limits.images) {
    const shape = image.channels === 1 ? sizeText(image) : `${image.channels} channels of ${sizeText(image)}`;
    throw invalid({
      field: 'body',
      message: `It must hold 1 to ${limits.images} images of ${size} bytes (${shape} float32)`,
      value: bytes.length,
      limit: size * limits.images,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: count * values }, (_, at) => {
    const value = view.getFloat32(4 * at, true);
    if (value >= 0 && value <= 1) return value;
    throw invalid({
      field: `images[${Math.floor(at / values)}]${placeIn(image, at % values)}`,
      message: 'It must be in 0..1',
      value: String(value),
      limit: 1,
    });
  });
}

/** Where a value is in an image, as JSON has it: `[row][column]`, after `[channel]` where there are several. */
function placeIn({ channels, height, width }: ImageShape, at: number): string {
  const place = `[${Math.floor(at / width) % height}][${at % width}]`;
  return channels === 1 ? place : `[${Math.floor(at / (height * width))}]${place}`;
}
