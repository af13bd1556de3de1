import type { Context } from 'hono';
import type { z } from '@hono/zod-openapi';
import { decodePng } from './png.ts';
import { invalid, invalidBy, Problem, unsupported } from './problem.ts';
import {
  AttackOptions,
  attackRequest,
  pixels,
  side,
  type AttackRequest,
  type RequestLimits,
} from './schemas.ts';

/** A request to attack, whatever its body looked like. */
export interface AttackInput extends Omit<AttackRequest, 'images'> {
  /** `n * 784` pixels in 0..1. */
  readonly images: Float32Array;
  /** n. */
  readonly count: number;
}

/** Reads the body of `POST /attack`. Throws Problem, which names the field, the value and the limit. */
export async function readAttack(c: Context, limits: RequestLimits): Promise<AttackInput> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase();
  const [misplaced] =
    type === 'application/json' || type === 'multipart/form-data' ? Object.keys(c.req.query()) : [];
  if (misplaced !== undefined)
    throw invalid({ field: misplaced, message: `With ${type} it belongs in the body` });
  const input = await readers[type ?? 'missing']?.(c, limits);
  if (!input) throw unsupported(c);
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

type Reader = (c: Context, limits: RequestLimits) => Promise<AttackInput>;

const readers: Readonly<Record<string, Reader | undefined>> = {
  async 'application/json'(c, limits) {
    let json: unknown;
    try {
      json = await c.req.json();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new Problem('malformed-body', `the body is not JSON: ${error.message.slice(0, 100)}`);
    }
    const { images, ...options } = parsed(attackRequest(limits), json);
    return { ...options, images: Float32Array.from(images.flat(2)), count: images.length };
  },

  async 'image/png'(c) {
    const images = decodePng(new Uint8Array(await c.req.arrayBuffer()), 'body');
    return { ...optionsOf(c.req.query()), images, count: 1 };
  },

  async 'application/octet-stream'(c, limits) {
    const images = decodeFloats(new Uint8Array(await c.req.arrayBuffer()), limits);
    return { ...optionsOf(c.req.query()), images, count: images.length / pixels };
  },

  async 'multipart/form-data'(c, limits) {
    const form = await c.req.formData().catch((error: unknown) => {
      if (c.req.raw.signal.aborted) throw error;
      throw new Problem('malformed-body', 'the body is not multipart/form-data with its boundary');
    });
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
    const images = new Float32Array(files.length * pixels);
    for (const [i, file] of files.entries()) {
      const field = `images[${i}]`;
      if (typeof file === 'string') throw invalid({ field, message: 'It must be a PNG file', limit: 'file' });
      images.set(decodePng(new Uint8Array(await file.arrayBuffer()), field), i * pixels);
    }
    return { ...optionsOf(Object.fromEntries(form)), images, count: files.length };
  },
};

/** Options that came as text. */
function optionsOf(text: Readonly<Record<string, unknown>>): Omit<AttackRequest, 'images'> {
  const { attacker, eps, mode, seed, ...options } = parsed(AttackOptions, text);
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
function decodeFloats(bytes: Uint8Array, limits: RequestLimits): Float32Array {
  const size = 4 * pixels;
  const count = bytes.length / size;
  if (!Number.isInteger(count) || count < 1 || count > limits.images) {
    throw invalid({
      field: 'body',
      message: `It must hold 1 to ${limits.images} images of ${size} bytes (${side}x${side} float32)`,
      value: bytes.length,
      limit: size * limits.images,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: count * pixels }, (_, at) => {
    const value = view.getFloat32(4 * at, true);
    if (value >= 0 && value <= 1) return value;
    const pixel = at % pixels;
    throw invalid({
      field: `images[${Math.floor(at / pixels)}][${Math.floor(pixel / side)}][${pixel % side}]`,
      message: 'It must be in 0..1',
      value: String(value),
      limit: 1,
    });
  });
}
