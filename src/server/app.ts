import { serveStatic } from '@hono/node-server/serve-static';
import { OpenAPIHono } from '@hono/zod-openapi';
import { compress } from 'hono/compress';
import { etag } from 'hono/etag';
import type { MiddlewareHandler } from 'hono';
import { requestId, type RequestIdVariables } from 'hono/request-id';
import { getMimeType } from 'hono/utils/mime';
import { attack } from './attack.ts';
import type { Batcher } from './batcher.ts';
import { manifestOf, type Catalogue } from './catalogue.ts';
import { about, describeRoutes, docsPage } from './docs.ts';
import type { Log } from './log.ts';
import { requestLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { createOpenStored, findModel, sendModel } from './models.ts';
import { cut, onError, Problem } from './problem.ts';
import type { RequestLimits } from './schemas.ts';
import { crossOrigin, headers, limitBody, limitBytes, needsToken, originsOf } from './security.ts';

/** Everything that the app needs; it reads no environment and opens nothing. */
export interface AppDeps {
  readonly catalogue: Catalogue;
  readonly batcher: Batcher;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Whether the server takes requests: false while it drains, and without a worker that works. */
  readonly ready: () => boolean;
  readonly limits: RequestLimits & {
    /** Bytes of a request's body. */
    readonly body: number;
    /** Bytes of all large bodies that come in at a time; 32 bodies when absent. */
    readonly bodies?: number;
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

/** What {@link createApp} gives. */
export type App = OpenAPIHono<{ Variables: RequestIdVariables }>;

/** The HTTP interface as a value: `app.request()` tries it, `listen` serves it. */
export function createApp(deps: AppDeps): App {
  const { catalogue, batcher, metrics, log, limits, token } = deps;
  const origins = originsOf(deps.origins);
  const app: App = new OpenAPIHono();
  app.onError(onError((error) => log.error({ err: error }, 'unexpected error')));
  app.notFound((c) =>
    new Problem('not-found', `there is no ${cut(c.req.path)}`).response(c.get('requestId')),
  );

  app.use(requestId(), requestLog(log), metrics.middleware, headers(origins.length > 0));
  if (origins.length > 0) app.use(crossOrigin(origins));
  app.use(async (c, next) => {
    await next();
    // clients on kept-alive connections go elsewhere while the server drains
    if (!deps.ready()) c.header('connection', 'close');
  });
  if (token !== undefined)
    for (const path of ['/attack', '/models/*', '/models.json', '/metrics']) app.use(path, needsToken(token));

  // answers of /attack are three times as small, and the other large texts too; nothing else is worth the time
  const shrink = compress({ threshold: 0, contentTypeFilter: /^(application\/json|text\/)/ });
  for (const path of ['/attack', '/models', '/models.json', '/openapi.json', '/docs/*', '/metrics'])
    app.use(path, shrink);
  app.post(
    '/attack',
    limitBody(limits.body),
    limitBytes(limits.body, limits.bodies ?? 32 * limits.body),
    (c) => attack(c, { cells: catalogue.cells, batcher, limits }),
  );
  app.on('GET', ['/models', '/models.json'], (c) =>
    c.json(manifestOf(catalogue), 200, { 'cache-control': 'no-cache' }),
  );
  const openStored = createOpenStored((error) => log.error({ err: error }, 'a model cannot be read'));
  app.get('/models/:folder/:file', (c) =>
    sendModel(c, findModel(catalogue, c.req.param('folder'), c.req.param('file')), openStored),
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
  const script = '/docs/openapi-explorer.js';
  if (deps.docsScript !== null) {
    app.use(script, etag({ weak: true }), cacheFor('public, max-age=3600'));
    app.get(script, serveStatic({ path: deps.docsScript, precompressed: true }));
  }
  app.get(script, () => {
    throw new Problem('not-found', 'the docs page is not built; /openapi.json is there');
  });

  if (deps.demo === null) app.get('/', (c) => c.text(noDemo));
  else {
    for (const [name, bytes] of deps.demoFiles ?? []) {
      const type = getMimeType(name) ?? 'application/octet-stream';
      for (const path of name === 'index.html' ? ['/', '/index.html'] : [`/${name}`]) {
        app.get(path, etag({ weak: true }), cacheFor('no-cache'), (c) =>
          c.body(bytes.slice(), 200, { 'content-type': type }),
        );
      }
    }
    const files = serveStatic({ root: deps.demo, precompressed: true });
    // Vite puts the hash of each asset in its name
    app.get('/assets/*', cacheFor('public, max-age=31536000, immutable'), files);
    app.get('/*', etag({ weak: true }), cacheFor('no-cache'), files);
  }

  const gets = ['/', '/models', '/models.json', '/models/:folder/:file', '/assets/*', '/healthz', '/readyz'];
  gets.push('/metrics', '/openapi.json', '/docs', script);
  for (const path of ['/attack', ...gets]) {
    const allow = path === '/attack' ? 'POST' : 'GET, HEAD';
    app.all(path, async (c, next) => {
      // what is missing from a folder is not there for any method
      if (allow.includes(c.req.method)) return await next();
      throw new Problem('method-not-allowed', `${cut(c.req.path)} takes ${allow}`, { headers: { allow } });
    });
  }
  return app;
}

/** How long an answer may be kept, where there is one. */
const cacheFor =
  (control: string): MiddlewareHandler =>
  async (c, next) => {
    await next();
    if (c.res.ok) c.header('cache-control', control);
  };

const noDemo = `Sparring serves attacks here: see /docs.
The demo is not built; in a checkout: npx -y pnpm@10 build
`;
