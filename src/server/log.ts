import { fstatSync, write } from 'node:fs';
import type { MiddlewareHandler } from 'hono';
import type { RequestIdVariables } from 'hono/request-id';
import type { Logger } from 'pino';

/** What is needed of a pino logger. */
export type Log = Pick<Logger, 'info' | 'warn' | 'error'>;

/** Where log lines go. Whatever happens there, the service goes on: lines that find no room are dropped and counted. */
export interface LogDestination {
  readonly write: (line: string) => void;
  /** How many lines were dropped. */
  readonly dropped: () => number;
  /** Done when all lines are written, or after `patience` milliseconds. */
  readonly flush: (patience: number) => Promise<void>;
}

/** Characters that may wait to be written. */
const room = 1024 * 1024;

/**
 * Standard output as a log. pino's own destination stops the process for as long as a disk is full or a pipe is not
 * read; see its option `sync`, and sonic-boom's flushSync.
 */
export function standardOutput(): LogDestination {
  const stats = fstatSync(1);
  return stats.isFIFO() || stats.isSocket() || process.stdout.isTTY ? streamLog(process.stdout) : fileLog(1);
}

/** A log on a pipe, a socket or a terminal, which Node writes to without waiting for the reader. */
export function streamLog(
  stream: NodeJS.WritableStream & { readonly writableLength: number },
): LogDestination {
  let dropped = 0;
  let broken = false;
  stream.on('error', () => (broken = true));
  return {
    write(line) {
      if (broken || stream.writableLength > room) dropped++;
      else stream.write(line);
    },
    dropped: () => dropped,
    flush: (patience) => settled(() => broken || stream.writableLength === 0, patience),
  };
}

/** A log in a file. A write that fails loses its lines; the next ones are tried again. */
export function fileLog(fd: number): LogDestination {
  let dropped = 0;
  let lines: string[] = [];
  let size = 0;
  let writing = false;

  function next(): void {
    if (writing || lines.length === 0) return;
    const [count, bytes] = [lines.length, Buffer.from(lines.join(''))];
    [lines, size, writing] = [[], 0, true];
    const on = (from: number): void =>
      write(fd, bytes, from, bytes.length - from, null, (error, written) => {
        if (!error && from + written < bytes.length) return on(from + written);
        if (error) dropped += count;
        writing = false;
        next();
      });
    on(0);
  }

  return {
    write(line) {
      if (size > room) {
        dropped++;
        return;
      }
      lines.push(line);
      size += line.length;
      next();
    },
    dropped: () => dropped,
    flush: (patience) => settled(() => !writing, patience),
  };
}

/** Done when `done` says so, or after a time in milliseconds. */
async function settled(done: () => boolean, patience: number): Promise<void> {
  const end = performance.now() + patience;
  while (!done() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** One line a request: who, what, how it went, how long it took; no image, no header, no query. */
export const requestLog =
  (log: Log): MiddlewareHandler<{ Variables: RequestIdVariables }> =>
  async (c, next) => {
    const started = performance.now();
    await next();
    const { method, path } = c.req;
    log.info(requestLine(c.var.requestId, method, path, c.res.status, started), 'request');
  };

/** What a line says of a request that began at `started`, by `performance.now()`. */
export const requestLine = (id: string, method: string, path: string, status: number, started: number) => ({
  id,
  method,
  path: path.slice(0, 200),
  status,
  ms: Math.round(10 * (performance.now() - started)) / 10,
});
