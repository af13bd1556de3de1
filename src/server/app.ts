import { serveStatic } from '@hono/node-server/serve-static';
import { OpenAPIHono } from '@hono/zod-openapi';
import { compress } from 'hono/compress';
import { etag } from 'hono/etag';
import type { Context, MiddlewareHandler } from 'hono';
import { requestId } from 'hono/request-id';
import { getMimeType } from 'hono/utils/mime';
import type { Batcher } from './batcher.ts';
import { clientIn, clientsBy, type ClientOf } from './client.ts';
import { about, docsPage } from './docs.ts';
import type { Log } from './log.ts';
import { requestLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { modelEndpoints } from './model/endpoints.ts';
import { packedFiles } from './packed.ts';
import { answerTo, cut, onError, Problem } from './problem.ts';
import { accessOf, serverRoutes } from './routes.ts';
import { runEndpoints } from './run.ts';
import type { RequestLimits } from './schemas.ts';
import { crossOrigin, headers, limitBody, limitBytes, needsToken, originsOf } from './security.ts';
import { inferablesOf, type Served } from './served.ts';
import type { Endpoint, Environment, ServiceDeps } from './service.ts';
import { inferenceEndpoints } from './v2/endpoints.ts';

/** Everything that the app needs; it reads no environment and opens nothing. */
export interface AppDeps {
  readonly catalogue: Served;
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
  /** Who sends a request; the address of its connection when absent. */
  readonly clientOf?: ClientOf;
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
export type App = OpenAPIHono<Environment>;

/** The HTTP interface as a value: `app.request()` tries it, `listen` serves it. */
export function createApp(deps: AppDeps): App {
  const { catalogue, metrics, log, limits, token } = deps;
  const origins = originsOf(deps.origins);
  const app: App = new OpenAPIHono();
  app.onError(onError((error) => log.error({ err: error }, 'unexpected error')));
  app.notFound((c) => answerTo(c, new Problem('not-found', `there is no ${cut(c.req.path)}`)));

  app.use(requestId(), requestLog(log), metrics.middleware, headers(origins.length > 0));
  if (origins.length > 0) app.use(crossOrigin(origins));
  app.use(async (c, next) => {
    await next();
    // clients on kept-alive connections go elsewhere while the server drains
    if (!deps.ready()) c.header('connection', 'close');
  });

  const access = accessOf(token !== undefined);
  const routes = serverRoutes(access, deps.demo !== null);
  const service: ServiceDeps = {
    ...deps,
    access,
    client: (c) => clientIn(c, deps.clientOf ?? clientsBy(undefined)),
    bodyLimits: [limitBody(limits.body), limitBytes(limits.body, limits.bodies ?? 32 * limits.body)],
  };
  const endpoints: readonly Endpoint[] = [
    ...('cells' in catalogue ? runEndpoints(catalogue, service) : modelEndpoints(catalogue, service)),
    ...inferenceEndpoints(inferablesOf(catalogue), service),
    { route: routes.healthz, handlers: [(c) => c.json({ status: 'alive' })] },
    {
      route: routes.readyz,
      handlers: [(c) => (deps.ready() ? c.json({ status: 'ready' }) : c.json({ status: 'not ready' }, 503))],
    },
    {
      route: routes.metrics,
      handlers: [
        async (c) =>
          c.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
      ],
      large: true,
    },
    {
      route: routes.openapi,
      handlers: [(c) => c.body(openapi, 200, { 'content-type': 'application/json' })],
      large: true,
    },
    { route: routes.docs, handlers: [(c) => c.html(docsPage)] },
    ...(deps.demo === null
      ? [{ route: routes.demo, handlers: [(c: Context) => c.text(noDemo(catalogue))] }]
      : []),
  ];
  if (token !== undefined) {
    app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
    for (const { route } of endpoints) {
      // whatever else lies below a path that asks for the token asks for it too
      if (route.security) app.use(`${route.path.split('/{', 1)[0]}/*`, needsToken(token));
    }
  }
  // answers of /attack are three times as small, and the other large texts too; nothing else is worth the time
  const shrink = compress({ threshold: 0, contentTypeFilter: /^(application\/json|text\/)/ });
  for (const { route, large } of endpoints) if (large) app.use(route.getRoutingPath(), shrink);
  app.use('/docs/*', shrink);

  // Not by `app.openapi`, which would check requests by the schemas of the document: what reads a body here is many
  // times as fast, and names field, value and limit.
  for (const { route, handlers } of endpoints) {
    app.on(route.method, [route.getRoutingPath()], ...handlers);
    app.openAPIRegistry.registerPath(route);
  }
  const openapi = JSON.stringify(app.getOpenAPI31Document(about(deps.version)));
  const script = '/docs/openapi-explorer.js';
  if (deps.docsScript !== null) {
    app.use(script, etag({ weak: true }), cacheFor('public, max-age=3600'));
    app.get(script, serveStatic({ path: deps.docsScript, precompressed: true }));
  }
  app.get(script, () => {
    throw new Problem('not-found', 'the docs page is not built; /openapi.json is there');
  });

  if (deps.demo !== null) {
    app.openAPIRegistry.registerPath(routes.demo);
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
    app.get('/assets/*', cacheFor('public, max-age=31536000, immutable'), files, packedFiles(deps.demo));
    app.get('/*', etag({ weak: true }), cacheFor('no-cache'), files);
  }

  const declared = [routes.demo, ...endpoints.map(({ route }) => route)].map(
    (route) => [route.getRoutingPath(), route.method] as const,
  );
  for (const [path, method] of [...declared, ['/assets/*', 'get'], [script, 'get']] as const) {
    const allow = method === 'post' ? 'POST' : 'GET, HEAD';
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

const noDemo = (catalogue: AppDeps['catalogue']): string =>
  'cells' in catalogue
    ? `Sparring serves attacks here: see /docs.
The demo is not built; in a checkout: npx -y pnpm@10 build
`
    : `Sparring attacks ${catalogue.name} here: see /docs.
`;
