import type { MiddlewareHandler } from 'hono';
import { bearerAuth } from 'hono/bearer-auth';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { secureHeaders } from 'hono/secure-headers';
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

/** Lets pages of other origins use the server: `*`, or a list of origins. */
export const crossOrigin = (origins: readonly string[]): MiddlewareHandler =>
  cors({
    origin: origins.includes('*') ? '*' : [...origins],
    allowMethods: ['GET', 'HEAD', 'POST'],
    allowHeaders: ['Authorization', 'Content-Type', 'Range', 'If-None-Match'],
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
 * Refuses bodies of more than `limit` bytes. One that says its length is judged by that, which leaves it unread: Hono's
 * middleware makes a stream of every body, and that costs as much as the rest of a request.
 */
export function limitBody(limit: number): MiddlewareHandler {
  const refuse = (): never => {
    throw new Problem('body-too-large', `a body may have ${limit} bytes`, {
      errors: [{ field: 'body', message: 'Too many bytes', limit }],
    });
  };
  const counted = bodyLimit({ maxSize: limit, onError: refuse });
  return async (c, next) => {
    const length = c.req.header('content-length');
    if (length === undefined || c.req.header('transfer-encoding') !== undefined)
      return await counted(c, next);
    if (Number(length) > limit) refuse();
    return await next();
  };
}
