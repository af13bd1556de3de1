import type { Context } from 'hono';
import { valuesOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import {
  bytesIn,
  decodeFloats,
  demandPlain,
  filesOf,
  imagesOfFiles,
  mediaTypeOf,
  optionsIn,
  parsed,
  type Query,
} from './body.ts';
import { jsonBody } from './json-body.ts';
import { decodePng } from './png.ts';
import { invalid, unsupported } from './problem.ts';
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
  const type = mediaTypeOf(c);
  const reader = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (!reader) throw unsupported(c, mediaTypes);
  demandPlain(c);
  const query = optionsIn(c, type);
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

type Reader = (c: Context, query: Query, reading: Reading) => Promise<AttackInput>;

const readers: Readonly<Record<string, Reader>> = {
  async 'application/json'(c, _, { card: { image }, schemas, limits }) {
    const { images, options } = await jsonBody(c, schemas.jsonOptions, ['labels'], limits, image);
    return { ...options, images, count: images.length / valuesOf(image) };
  },

  async 'image/png'(c, query, { card: { image }, schemas }) {
    const options = optionsOf(query, schemas);
    return { ...options, images: decodePng(await bytesIn(c), 'body', image), count: 1 };
  },

  async 'application/octet-stream'(c, query, { card: { image }, schemas, limits }) {
    const options = optionsOf(query, schemas);
    const images = decodeFloats(await bytesIn(c), limits, image);
    return { ...options, images, count: images.length / valuesOf(image) };
  },

  async 'multipart/form-data'(c, _, { card: { image }, schemas, limits }) {
    const { files, fields } = await filesOf(c, limits);
    const options = optionsOf(fields, schemas);
    const decode = (bytes: Uint8Array, field: string): Float32Array => decodePng(bytes, field, image);
    const images = await imagesOfFiles(files, valuesOf(image), 'PNG file', decode);
    return { ...options, images, count: files.length };
  },
};

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

/** The bodies that `POST /attack` of a run takes. */
const mediaTypes = [
  'application/json',
  'image/png',
  'application/octet-stream',
  'multipart/form-data',
] as const;
