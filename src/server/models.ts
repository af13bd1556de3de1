import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Context } from 'hono';
import { fileNames, type Catalogue, type StoredModel } from './catalogue.ts';
import { digestOf, openModelFile } from './model-files.ts';
import { cut, Problem } from './problem.ts';

/** Finds a model by the path that `GET /models` gave for it. Throws Problem `not-found`. */
export function findModel({ cells }: Catalogue, folder: string, file: string): StoredModel {
  const cell = cells.find((one) => one.folder === folder);
  const name = (Object.keys(fileNames) as (keyof typeof fileNames)[]).find((key) => fileNames[key] === file);
  const model = cell && name && cell.models[name];
  if (model) return model;
  throw new Problem('not-found', `there is no model ${folder}/${file}; GET /models lists them`.slice(0, 200));
}

/** Opens a model's file once it is known to be the one that the run wrote. */
export type OpenStored = (path: string, sha256: string) => Promise<FileHandle>;

/**
 * Remembers which state of a file had the right hash: it is computed again only when size, time or inode have changed.
 *
 * @param onFault an unreadable or changed file was asked for; the client is told less than this.
 */
export function createOpenStored(onFault: (error: unknown) => void): OpenStored {
  const good = new Map<string, string>();
  return async (path, sha256) => {
    let file: FileHandle | undefined;
    try {
      file = await openModelFile(path);
      const { ino, size, mtimeMs, ctimeMs } = await file.stat();
      const state = [ino, size, mtimeMs, ctimeMs].join();
      if (good.get(path) !== state) {
        await digestOf(path, file, sha256);
        good.set(path, state);
      }
      return file;
    } catch (error) {
      await file?.close();
      onFault(error);
      throw new Problem(
        'model-unreadable',
        'the file of this model is missing or not the one that the run wrote; the log of the server says more',
      );
    }
  };
}

/**
 * `GET /models/<folder>/<file>`: the whole file, or the range that was asked for. With its hash in the URL it never
 * changes and may be kept; without, a cache asks again and is told by the ETag that nothing changed.
 */
export async function sendModel(
  c: Context,
  { content, sha256, size }: StoredModel,
  open: OpenStored,
): Promise<Response> {
  const asked = c.req.query('sha256');
  if (asked !== undefined && (asked.length < 8 || !sha256.startsWith(asked))) {
    throw new Problem('not-found', 'there is another model here now; GET /models has its address');
  }
  const etag = `"${sha256}"`;
  const headers: Record<string, string> = {
    etag,
    'accept-ranges': 'bytes',
    'cache-control': asked === undefined ? 'no-cache' : 'public, max-age=31536000, immutable',
    'content-type': 'application/octet-stream',
  };
  if (matches(c.req.header('if-none-match'), etag)) return c.body(null, 304, headers);

  const { start, end, partial } = rangeOf(c, etag, size);
  headers['content-length'] = String(end - start + 1);
  if (partial) headers['content-range'] = `bytes ${start}-${end}/${size}`;
  const status = partial ? 206 : 200;
  const head = c.req.method === 'HEAD';
  if (typeof content !== 'string') {
    const part = content.slice(start, end + 1) as Uint8Array<ArrayBuffer>;
    return head ? c.body(null, status, headers) : c.body(part, status, headers);
  }
  const file = await open(content, sha256);
  if (!head && !c.req.raw.signal.aborted) {
    const stream = Readable.toWeb(file.createReadStream({ start, end })) as ReadableStream;
    return c.body(stream, status, headers);
  }
  await file.close();
  return c.body(null, status, headers);
}

/** Whether an If-None-Match names this entity; weak comparison (RFC 9110, 13.1.2). */
const matches = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  (header.trim() === '*' ||
    header
      .split(',')
      .map((tag) => tag.trim().replace(/^W\//, ''))
      .includes(etag));

/**
 * The bytes to send. A header that asks for several ranges, that has another unit or that is malformed is ignored
 * (RFC 9110, 14.2).
 */
function rangeOf(c: Context, etag: string, size: number) {
  const whole = { start: 0, end: size - 1, partial: false };
  const header = c.req.header('range');
  const condition = c.req.header('if-range');
  if (header === undefined || (condition !== undefined && condition.trim() !== etag)) return whole;
  const [, first = '', last = ''] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header) ?? [];
  const isReversed = first !== '' && last !== '' && Number(first) > Number(last);
  if ((first === '' && last === '') || isReversed) return whole;
  // without a first position, the last so many bytes: all of them when the file is shorter (RFC 9110, 14.1.2)
  const start = first === '' ? Math.max(size - Number(last), 0) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start > end) {
    throw new Problem('range-not-satisfiable', `the file has ${size} bytes`, {
      headers: { 'content-range': `bytes */${size}` },
      errors: [{ field: 'Range', message: 'It lies outside', value: cut(header), limit: size }],
    });
  }
  return { start, end, partial: true };
}
