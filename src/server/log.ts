import type { MiddlewareHandler } from 'hono';
import type { RequestIdVariables } from 'hono/request-id';
import type { Logger } from 'pino';

/** What is needed of a pino logger. */
export type Log = Pick<Logger, 'info' | 'warn' | 'error'>;

/** One line a request: who, what, how it went, how long it took; no image, no header, no query. */
export const requestLog =
  (log: Log): MiddlewareHandler<{ Variables: RequestIdVariables }> =>
  async (c, next) => {
    const started = performance.now();
    await next();
    const { method, path } = c.req;
    log.info(
      {
        id: c.var.requestId,
        method,
        path: path.slice(0, 200),
        status: c.res.status,
        ms: Math.round(10 * (performance.now() - started)) / 10,
      },
      'request',
    );
  };
