import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { MiddlewareHandler } from 'hono';
import { getMimeType } from 'hono/utils/mime';

/**
 * Serves files of which a folder holds only the gzip form, `NAME.gz`: as they are to clients that take gzip, unpacked to
 * others. The package keeps the programs of ONNX Runtime so, 8 MB instead of 36. What has no such form is left to the
 * next handler.
 *
 * @param root the folder that the path of a request begins at.
 */
export const packedFiles =
  (root: string): MiddlewareHandler =>
  async (c, next) => {
    const file = await open(join(root, `${c.req.path}.gz`)).catch(() => null);
    if (!file) return await next();
    const gzip = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '');
    const headers: Record<string, string> = {
      'content-type': getMimeType(c.req.path) ?? 'application/octet-stream',
      vary: 'Accept-Encoding',
      ...(gzip && { 'content-encoding': 'gzip', 'content-length': String((await file.stat()).size) }),
    };
    if (c.req.method === 'HEAD') {
      await file.close();
      return c.body(null, 200, headers);
    }
    const packed = file.createReadStream();
    // a client that leaves ends the last stream, and pipeline all before it; the error is the client's
    const stream = gzip ? packed : pipeline(packed, createGunzip(), () => {});
    return c.body(Readable.toWeb(stream) as ReadableStream, 200, headers);
  };
