import { setImmediate } from 'node:timers/promises';
import type { Context } from 'hono';
import type { z } from '@hono/zod-openapi';
import type { ImageShape } from '../runtime/attacks/images.ts';
import { sizeText, valuesOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import { arrayOf, imagesOf, parseJson } from './json-body.ts';
import { decodePng } from './png.ts';
import { cut, invalid, invalidBy, Problem, shorten, unsupported } from './problem.ts';
import type { AttackSchemas, JsonOptions, RequestLimits } from './schemas.ts';

/** A request to attack, whatever its body looked like. */
export interface AttackInput extends JsonOptions {
  /** The values of n images, in 0..1. */
  readonly images: Float32Array;
  /** n. */
  readonly count: number;
}

/** What a request is read by. */
export interface Reading {
  readonly card: ClassifierCard;
  readonly schemas: AttackSchemas;
  readonly limits: RequestLimits;
}

/** Reads the body of `POST /attack`. Throws Problem, which names the field, the value and the limit. */
export async function readAttack(c: Context, reading: Reading): Promise<AttackInput> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase() ?? 'missing';
  const reader = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (!reader) throw unsupported(c);
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
  const query = queryOf(c);
  const [misplaced] = type === 'application/json' || type === 'multipart/form-data' ? Object.keys(query) : [];
  if (misplaced !== undefined)
    throw invalid({ field: cut(misplaced), message: `With ${type} it belongs in the body` });
  const input = await reader(c, query, reading);
  if (input.labels && input.labels.length !== input.count) {
    throw invalid({
      field: 'labels',
      message: 'There must be one label an image',
      value: input.labels.length,
      limit: input.count,
    });
  }
  return input;
}

type Query = Readonly<Record<string, string>>;

/** The query's options. Throws Problem when one stands there twice. */
const queryOf = (c: Context): Query => once(new URLSearchParams(new URL(c.req.url).search));

/** Values by their key. Throws Problem when a key comes twice. */
function once<T>(pairs: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const values = new Map<string, T>();
  for (const [key, value] of pairs) {
    if (values.has(key)) throw twice(key);
    values.set(key, value);
  }
  return Object.fromEntries(values);
}

const twice = (field: string): Problem =>
  invalid({ field: cut(field), message: 'It may be given once', limit: 1 });

type Reader = (c: Context, query: Query, reading: Reading) => Promise<AttackInput>;

const readers: Readonly<Record<string, Reader>> = {
  async 'application/json'(c, _, { card: { image }, schemas, limits }) {
    const json = parseJson(new Uint8Array(await c.req.arrayBuffer()), limits, image);
    if (typeof json !== 'object' || json === null || Array.isArray(json)) parsed(schemas.jsonOptions, json);
    const { images, ...rest } = json as Readonly<Record<string, unknown>>;
    const all = await imagesOf(images, limits, image);
    // before each of them is looked at
    if (Array.isArray(rest['labels'])) arrayOf(rest['labels'], 'labels', 0, limits.images);
    return { ...parsed(schemas.jsonOptions, rest), images: all, count: all.length / valuesOf(image) };
  },

  async 'image/png'(c, query, { card: { image }, schemas }) {
    const options = optionsOf(query, schemas);
    const images = decodePng(new Uint8Array(await c.req.arrayBuffer()), 'body', image);
    return { ...options, images, count: 1 };
  },

  async 'application/octet-stream'(c, query, { card: { image }, schemas, limits }) {
    const options = optionsOf(query, schemas);
    const images = decodeFloats(new Uint8Array(await c.req.arrayBuffer()), limits, image);
    return { ...options, images, count: images.length / valuesOf(image) };
  },

  async 'multipart/form-data'(c, _, { card: { image }, schemas, limits }) {
    const form = await formOf(c, limits);
    const files = form.getAll('images');
    form.delete('images');
    if (files.length < 1 || files.length > limits.images) {
      throw invalid({
        field: 'images',
        message: `There must be 1 to ${limits.images} files`,
        value: files.length,
        limit: limits.images,
      });
    }
    const options = optionsOf(once(form), schemas);
    const size = valuesOf(image);
    const images = new Float32Array(files.length * size);
    for (const [i, file] of files.entries()) {
      const field = `images[${i}]`;
      if (typeof file === 'string') throw invalid({ field, message: 'It must be a PNG file', limit: 'file' });
      images.set(decodePng(new Uint8Array(await file.arrayBuffer()), field, image), i * size);
      // each file takes as long as a request of its own
      await setImmediate();
    }
    return { ...options, images, count: files.length };
  },
};

/** Parts of a multipart body beside its images: more than there are options. */
const maxFields = 16;

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

/** Options that came as text. */
function optionsOf(text: Readonly<Record<string, unknown>>, schemas: AttackSchemas): JsonOptions {
  const { attacker, eps, mode, seed, ...options } = parsed(schemas.options, text);
  const some = Object.fromEntries(
    Object.entries({ eps, mode, seed }).filter(([, value]) => value !== undefined),
  );
  if (attacker !== undefined && Object.keys(some).length > 0) {
    const [field] = Object.keys(some);
    throw invalid({ field: field!, message: 'Give attacker, or eps, mode and seed, not both' });
  }
  return { ...options, attacker: attacker ?? some };
}

function parsed<T extends z.ZodType>(schema: T, data: unknown): z.infer<T> {
  const result = schema.safeParse(data);
  if (!result.success) throw invalidBy(result.error, data);
  return result.data;
}

/** Little-endian float32, image after image, each in 0..1. */
function decodeFloats(bytes: Uint8Array, limits: RequestLimits, image: ImageShape): Float32Array {
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
