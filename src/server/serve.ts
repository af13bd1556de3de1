import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import { createServer, type Server } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { InputError } from '../runtime/errors.ts';
import { createApp, type App, type AppDeps } from './app.ts';
import { createBatcher, type BatcherOptions } from './batcher.ts';
import { clientsBy } from './client.ts';
import { createDoor } from './door.ts';
import { createMetrics } from './metrics.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';
import { allowedHosts, originsOf } from './security.ts';
import { sourcesOf, type Served } from './served.ts';

export interface ServeOptions
  extends
    Pick<
      AppDeps,
      | 'catalogue'
      | 'log'
      | 'limits'
      | 'clientOf'
      | 'token'
      | 'origins'
      | 'demo'
      | 'demoFiles'
      | 'docsScript'
      | 'version'
    >,
    Omit<PoolOptions, 'sources' | 'onEnd'>,
    BatcherOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Names besides those of this machine that requests may call it by, where it listens on this machine alone. */
  readonly allowHost?: readonly string[];
  /** Connections at a time; more are closed at once. 2048 when absent. */
  readonly maxConnections?: number;
  /** For a request to come in whole, in milliseconds. */
  readonly requestTimeout: number;
  /** How long a draining server still takes requests on connections that it has, in milliseconds. */
  readonly drainDelay: number;
  /** For all requests to be answered after that, in milliseconds. */
  readonly drainTimeout: number;
  /** How many lines the log dropped. */
  readonly droppedLogLines?: () => number;
}

/** A server that listens. */
export interface Serving {
  readonly port: number;
  readonly pool: Pool;
  /**
   * Serves something else from now on. Requests that are in work get answers of what was before.
   *
   * @throws TaskFailed when a worker cannot open it; all stays as it was.
   */
  change(catalogue: Served): Promise<void>;
  /**
   * Ends it: no connection is accepted any more, each that there is is closed after its answer, and when all are, the
   * workers end.
   *
   * @returns whether all were answered in time.
   */
  drain(): Promise<boolean>;
}

/**
 * Starts workers and listens.
 *
 * @throws Error when the models cannot be opened, or the address cannot be listened on.
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { catalogue, log, host, port, token, requestTimeout, drainDelay, drainTimeout } = options;
  if (host === '') throw new InputError('--host is empty; give an address, such as 127.0.0.1 or 0.0.0.0');
  const origins = originsOf(options.origins);
  const metrics = createMetrics();
  const pool = await createPool({
    ...options,
    sources: sourcesOf(catalogue),
    onEnd(error) {
      metrics.events.workerEnd();
      log.error({ err: error }, 'a worker ended; it is replaced');
    },
  });
  const batcher = createBatcher(pool, options, {
    batch: metrics.events.batch,
    failure(error) {
      metrics.events.failure(error);
      log.error({ err: error }, 'a batch failed');
    },
  });
  let draining = false;
  const clientOf = options.clientOf ?? clientsBy(undefined);
  const appOf = (served: Served): App =>
    createApp({
      ...options,
      catalogue: served,
      clientOf,
      origins,
      batcher,
      metrics,
      ready: () => !draining && pool.ready() > 0,
    });
  let app = appOf(catalogue);
  const hosts = allowedHosts(host, token, options.allowHost ?? []);
  const door = createDoor({ batcher, metrics, log, hosts, clientOf });
  const listener = getRequestListener((...request) => app.fetch(...request), {
    // for HTTP/1.0, which needs no Host
    hostname: 'localhost',
    errorHandler: door.unreadable,
  });
  const server = createServer(
    {
      requestTimeout,
      headersTimeout: requestTimeout,
      connectionsCheckingInterval: Math.min(1000, requestTimeout),
      // the door looks at it
      requireHostHeader: false,
    },
    (request, response) => {
      if (!door.turnAway(request, response)) void listener(request, response);
    },
  );
  server.maxConnections = connectionLimit(options.maxConnections ?? 2048, options.workers);
  server.on('clientError', door.clientError).on('checkExpectation', door.expectation);
  server.on('drop', metrics.events.dropped);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  metrics.watch({
    batcher,
    pool,
    connections: () => sockets.size,
    droppedLogLines: options.droppedLogLines ?? (() => 0),
  });
  try {
    await listen(server, port, host);
  } catch (error) {
    await pool.close();
    throw error;
  }
  return {
    port: (server.address() as AddressInfo).port,
    pool,
    async change(served) {
      const next = appOf(served);
      await pool.change(sourcesOf(served));
      app = next;
    },
    async drain() {
      let answered = true;
      // what is in the queue of the listening socket by now is accepted before it is closed
      await setImmediate();
      // not http's own close, which ends idle connections at once: a request may be on its way on them
      const closed = new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
      // from here on answers close their connection: before, clients would come back on a new one
      draining = true;
      const closeIdle = async (): Promise<void> => {
        // timers come before sockets: what has arrived while this process was busy is read first
        await setImmediate();
        server.closeIdleConnections();
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      };
      const idle = setTimeout(() => void closeIdle(), drainDelay);
      const late = setTimeout(() => {
        answered = false;
        for (const socket of sockets) socket.destroy();
      }, drainTimeout);
      await closed;
      clearTimeout(idle);
      clearTimeout(late);
      await pool.close();
      return answered;
    },
  };
}

/** What this process itself, its models and each worker's channel may need of the descriptors that it may have. */
const ownDescriptors = (workers: number): number => 48 + 8 * workers;

/** No more connections than leave descriptors for files and for new workers. */
function connectionLimit(asked: number, workers: number): number {
  const { userLimits } = process.report.getReport() as {
    readonly userLimits?: { readonly open_files?: { readonly soft?: number | string } };
  };
  const descriptors = Number(userLimits?.open_files?.soft);
  return Number.isFinite(descriptors)
    ? Math.max(1, Math.min(asked, descriptors - ownDescriptors(workers)))
    : asked;
}

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
