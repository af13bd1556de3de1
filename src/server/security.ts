import type { MiddlewareHandler } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { secureHeaders } from 'hono/secure-headers';
import { isIP } from 'node:net';
import { InputError } from '../runtime/errors.ts';
import { Problem } from './problem.ts';

/**
 * Headers for every answer: nothing from elsewhere is loaded, nobody may frame a page, and pages are cross-origin
 * isolated, which threads in WebAssembly need.
 *
 * @param shared whether other origins may read answers: see {@link crossOrigin}.
 */
export const headers = (shared: boolean): MiddlewareHandler =>
  secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'self'"],
      scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
      workerSrc: ["'self'", 'blob:'],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'blob:', 'data:'],
      connectSrc: ["'self'", 'blob:', 'data:'],
      objectSrc: ["'none'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
    crossOriginEmbedderPolicy: 'require-corp',
    crossOriginOpenerPolicy: 'same-origin',
    crossOriginResourcePolicy: shared ? 'cross-origin' : 'same-origin',
    referrerPolicy: 'no-referrer',
    xFrameOptions: 'DENY',
    // TLS ends at a proxy, which knows whether there is any
    strictTransportSecurity: false,
  });

/**
 * Origins as browsers send them: `http://localhost:3000/` is `http://localhost:3000`.
 *
 * @throws InputError for what is no origin, and would never match.
 */
export const originsOf = (given: readonly string[]): readonly string[] =>
  given.map((text) => {
    if (text === '*') return text;
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url && url.origin !== 'null' && [url.origin, `${url.origin}/`].includes(text.toLowerCase()))
      return url.origin;
    throw new InputError(
      `--cors ${text} is no origin; give scheme, host and port alone, such as https://example.org, or *`,
    );
  });

/** Names under which a server that listens on this machine alone is reached. */
const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '::1' ||
  (isIP(host) === 4 && host.startsWith('127.'));

/**
 * Which names a request may call this server by; null for any. A server on a loopback address without a token takes
 * loopback names only: else any page could point a name of its own at 127.0.0.1 and read the answers (DNS rebinding).
 *
 * @param host the address that it listens on.
 * @param more names to take besides.
 */
export function allowedHosts(
  host: string,
  token: string | undefined,
  more: readonly string[],
): ((name: string) => boolean) | null {
  if (token !== undefined || !isLoopback(host)) return null;
  const names = new Set(more.map((name) => name.toLowerCase()));
  return (name) => isLoopback(name) || names.has(name);
}

/** The name in a Host header, without its port: `[::1]:8080` is `::1`. */
export const hostName = (header: string): string =>
  header
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');

/** Lets pages of other origins use the server: `*`, or a list of origins. */
export const crossOrigin = (origins: readonly string[]): MiddlewareHandler =>
  cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST'],
    allowHeaders: ['Authorization', 'Content-Type', 'Range', 'If-None-Match', 'X-Request-Id'],
    exposeHeaders: [
      'ETag',
      'Content-Range',
      'Retry-After',
      'X-Request-Id',
      ...['Attacker', 'Linf', 'L2', 'C1', 'C2', 'Success'].map((name) => `Sparring-${name}`),
    ],
    maxAge: 600,
  });

/** Asks for `Authorization: Bearer <token>`; tokens are compared in constant time. */
export function needsToken(token: string): MiddlewareHandler {
  const check = bearerAuth({ token });
  return async (c, next) => {
    try {
      return await check(c, next);
    } catch {
      // an error of a handler does not come by here: Hono has answered it by then
      throw new Problem(
        'unauthorized',
        'send the header Authorization: Bearer with the token of this server',
        {
          headers: { 'www-authenticate': 'Bearer realm="sparring"' },
        },
      );
    }
  };
}

/**
 * Rejects bodies of more than `limit` bytes. One that says its length is judged by that, which leaves it unread: Hono's
 * middleware makes a stream of every body, and that costs as much as the rest of a request.
 */
export function limitBody(limit: number): MiddlewareHandler {
  const reject = (): never => {
    throw new Problem('body-too-large', `a body may have ${limit} bytes`, {
      errors: [{ field: 'body', message: 'Too many bytes', limit }],
    });
  };
  const counted = bodyLimit({ maxSize: limit, onError: reject });
  return async (c, next) => {
    const length = c.req.header('content-length');
    if (length === undefined || c.req.header('transfer-encoding') !== undefined)
      return await counted(c, next);
    if (Number(length) > limit) reject();
    return await next();
  };
}

/** Bodies up to this many bytes count for nothing in {@link limitBytes}: there are as many as connections at most. */
const smallBody = 64 * 1024;

/**
 * Bounds the bytes of large bodies that come in at the same time: a connection can send one slowly, and its memory is
 * held until it is whole.
 *
 * @param limit bytes of one body: what a body that does not say its length may have.
 * @param total bytes of all of them.
 */
export function limitBytes(limit: number, total: number): MiddlewareHandler {
  let held = 0;
  return async (c, next) => {
    const length = c.req.header('content-length');
    const bytes = length === undefined ? limit : Math.min(Number(length), limit);
    if (!(bytes > smallBody)) return await next();
    if (held > 0 && held + bytes > total) {
      throw new Problem('queue-full', 'too many large bodies are coming in; send it again later', {
        headers: { 'retry-after': '1' },
        errors: [{ field: 'body', message: 'No room for it now', value: bytes, limit: total - held }],
      });
    }
    held += bytes;
    try {
      await next();
    } finally {
      held -= bytes;
    }
  };
}
