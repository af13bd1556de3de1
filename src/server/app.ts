import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { serveStatic } from '@hono/node-server/serve-static';
import { OpenAPIHono } from '@hono/zod-openapi';
import { requestId } from 'hono/request-id';
import { getMimeType } from 'hono/utils/mime';
import { attack } from './attack.ts';
import type { Batcher } from './batcher.ts';
import { manifestOf, type Catalogue } from './catalogue.ts';
import { about, describeRoutes, docsPage } from './docs.ts';
import type { Log } from './log.ts';
import { requestLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { findModel, sendModel } from './models.ts';
import { onError, Problem } from './problem.ts';
import type { RequestLimits } from './schemas.ts';
import { crossOrigin, headers, limitBody, needsToken } from './security.ts';

/** Everything that the app needs; it reads no environment and opens nothing. */
export interface AppDeps {
  readonly catalogue: Catalogue;
  readonly batcher: Batcher;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Whether the server takes requests: false while it drains, and without a worker. */
  readonly ready: () => boolean;
  readonly limits: RequestLimits & {
    /** Bytes of a request's body. */
    readonly body: number;
  };
  /** Asked for on attacks, models and metrics; none when absent. */
  readonly token?: string;
  /** Origins whose pages may use the server, or `*`; none when empty. */
  readonly origins: readonly string[];
  /** The folder of the built demo, and the script of the docs page; null where they are not built. */
  readonly demo: string | null;
  /** Files of the demo that were made for this run, by name; they go before those of the folder. */
  readonly demoFiles?: ReadonlyMap<string, Uint8Array>;
  readonly docsScript: string | null;
  readonly version: string;
}

/** The HTTP interface as a value: `app.request()` tries it, `listen` serves it. */
export function createApp(deps: AppDeps): OpenAPIHono {
  const { catalogue, batcher, metrics, log, limits, token, origins } = deps;
  const app = new OpenAPIHono();
  app.onError(onError((error) => log.error({ err: error }, 'unexpected error')));
  app.notFound((c) => new Problem('not-found', `there is no ${c.req.path.slice(0, 100)}`).response());

  app.use(requestId(), requestLog(log), metrics.middleware, headers(origins.length > 0));
  if (origins.length > 0) app.use(crossOrigin(origins));
  app.use(async (c, next) => {
    await next();
    // clients on kept-alive connections go elsewhere while the server drains
    if (!deps.ready()) c.header('connection', 'close');
  });
  if (token !== undefined)
    for (const path of ['/attack', '/models/*', '/models.json', '/metrics']) app.use(path, needsToken(token));

  app.post('/attack', limitBody(limits.body), (c) => attack(c, { cells: catalogue.cells, batcher, limits }));
  app.on('GET', ['/models', '/models.json'], (c) =>
    c.json(manifestOf(catalogue), 200, { 'cache-control': 'no-cache' }),
  );
  app.get('/models/:folder/:file', (c) =>
    sendModel(c, findModel(catalogue, c.req.param('folder'), c.req.param('file'))),
  );

  app.get('/healthz', (c) => c.json({ status: 'alive' }));
  app.get('/readyz', (c) =>
    deps.ready() ? c.json({ status: 'ready' }) : c.json({ status: 'not ready' }, 503),
  );
  app.get('/metrics', async (c) =>
    c.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
  );

  describeRoutes(app.openAPIRegistry, limits, token !== undefined);
  const openapi = JSON.stringify(app.getOpenAPI31Document(about(deps.version)));
  app.get('/openapi.json', (c) => c.body(openapi, 200, { 'content-type': 'application/json' }));
  app.get('/docs', (c) => c.html(docsPage));
  app.get('/docs/openapi-explorer.js', (c) => {
    if (deps.docsScript === null)
      throw new Problem('not-found', 'the docs page is not built; /openapi.json is there');
    const stream = Readable.toWeb(createReadStream(deps.docsScript)) as ReadableStream;
    return c.body(stream, 200, {
      'content-type': 'text/javascript',
      'cache-control': 'public, max-age=3600',
    });
  });

  for (const [path, allow] of Object.entries({
    '/attack': 'POST',
    ...Object.fromEntries(
      ['/models', '/models/:folder/:file', '/healthz', '/readyz', '/metrics', '/openapi.json', '/docs'].map(
        (get) => [get, 'GET, HEAD'],
      ),
    ),
  })) {
    app.all(path, (c) => {
      throw new Problem('method-not-allowed', `${c.req.path} takes ${allow}`, { headers: { allow } });
    });
  }

  if (deps.demo === null) app.get('/', (c) => c.text(noDemo));
  else {
    for (const [name, bytes] of deps.demoFiles ?? []) {
      const headers = { 'content-type': getMimeType(name) ?? 'application/octet-stream' };
      for (const path of name === 'index.html' ? ['/', '/index.html'] : [`/${name}`]) {
        app.get(path, (c) => c.body(bytes.slice(), 200, { ...headers, 'cache-control': 'no-cache' }));
      }
    }
    app.use('/assets/*', async (c, next) => {
      await next();
      // Vite puts the hash of each asset in its name
      if (c.res.ok) c.header('cache-control', 'public, max-age=31536000, immutable');
    });
    app.use(serveStatic({ root: deps.demo, precompressed: true }));
  }
  return app;
}

const noDemo = `Sparring serves attacks here: see /docs.
The demo is not built; in a checkout: npx -y pnpm@10 build
`;
