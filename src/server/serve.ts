import { Server as NetServer, type AddressInfo, type Socket } from 'node:net';
import { createServer, type Server } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { createApp, type AppDeps } from './app.ts';
import { createBatcher, type BatcherOptions } from './batcher.ts';
import { createMetrics } from './metrics.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';

export interface ServeOptions
  extends
    Pick<
      AppDeps,
      'catalogue' | 'log' | 'limits' | 'token' | 'origins' | 'demo' | 'demoFiles' | 'docsScript' | 'version'
    >,
    Omit<PoolOptions, 'cells'>,
    BatcherOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** For a request to come in whole, in milliseconds. */
  readonly requestTimeout: number;
  /** How long a draining server still takes requests on connections that it has, in milliseconds. */
  readonly drainDelay: number;
  /** For all requests to be answered after that, in milliseconds. */
  readonly drainTimeout: number;
}

/** A server that listens. */
export interface Serving {
  readonly port: number;
  readonly pool: Pool;
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
  const { catalogue, log, host, port, requestTimeout, drainDelay, drainTimeout } = options;
  const pool = await createPool({
    ...options,
    cells: catalogue.cells,
    onDeath: (error) => log.error({ err: error }, 'an idle worker died; it is replaced'),
  });
  const metrics = createMetrics();
  const batcher = createBatcher(pool, options, {
    batch: metrics.events.batch,
    failure(error) {
      metrics.events.failure(error);
      log.error({ err: error }, 'a batch failed; its worker is replaced');
    },
  });
  metrics.watch(batcher, pool);
  let draining = false;
  const app = createApp({
    ...options,
    batcher,
    metrics,
    ready: () => !draining && pool.pids().length > 0,
  });
  const listener = getRequestListener(app.fetch);
  const server = createServer(
    {
      requestTimeout,
      headersTimeout: requestTimeout,
      connectionsCheckingInterval: Math.min(1000, requestTimeout),
    },
    (request, response) => void listener(request, response),
  );
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
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
    async drain() {
      let answered = true;
      // what is in the queue of the listening socket by now is accepted before it is closed
      await setImmediate();
      // not http's own close, which ends idle connections at once: a request may be on its way on them
      const closed = new Promise((resolve) => NetServer.prototype.close.call(server, resolve));
      // from here on answers close their connection: before, clients would come back on a new one
      draining = true;
      const idle = setTimeout(() => {
        server.closeIdleConnections();
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      }, drainDelay);
      const late = setTimeout(() => {
        answered = false;
        server.closeAllConnections();
      }, drainTimeout);
      await closed;
      clearTimeout(idle);
      clearTimeout(late);
      await pool.close();
      return answered;
    },
  };
}

const listen = (server: Server, port: number, host: string): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
