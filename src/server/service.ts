import type { Handler } from 'hono';
import type { RequestIdVariables } from 'hono/request-id';
import type { Batcher } from './batcher.ts';
import type { Log } from './log.ts';
import type { Access, Route } from './routes.ts';
import type { RequestLimits } from './schemas.ts';
import type { Context, MiddlewareHandler } from 'hono';

/** What handlers know of a request. */
export interface Environment {
  Variables: RequestIdVariables;
}

/** A route, and what answers it. */
export interface Endpoint {
  readonly route: Route;
  readonly handlers: readonly Handler<Environment>[];
  /** Whether its answers are large texts, which are worth compressing. */
  readonly large?: boolean;
}

/** What the endpoints of a server work with. */
export interface ServiceDeps {
  readonly batcher: Batcher;
  readonly log: Log;
  readonly limits: RequestLimits;
  readonly access: Access;
  /** Whether the server takes requests. */
  readonly ready: () => boolean;
  /** Who sends a request. */
  readonly client: (c: Context) => string;
  /** Stand before what reads a large body. */
  readonly bodyLimits: readonly MiddlewareHandler[];
  readonly version: string;
}
