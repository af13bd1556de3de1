import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { createApp, type AppDeps } from './app.ts';
import { createBatcher, type BatcherOptions } from './batcher.ts';
import { createMetrics } from './metrics.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';

export interface ServeOptions
  extends
    Pick<AppDeps, 'catalogue' | 'log' | 'limits' | 'token' | 'origins' | 'demo' | 'docsScript' | 'version'>,
    Omit<PoolOptions, 'cells'>,
    BatcherOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** For a request to come in whole, in milliseconds. */
  readonly requestTimeout: number;
  /** How long a draining server still takes requests, so that whoever sends them learns of it, in milliseconds. */
  readonly drainDelay: number;
  /** For all requests to be answered after that, in milliseconds. */
  readonly drainTimeout: number;
}

/** A server that listens. */
export interface Serving {
  readonly port: number;
  readonly pool: Pool;
  /**
   * Ends it: `/readyz` says no and connections are closed after their answer, then no connection is accepted, and when
   * every request is answered the workers end.
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
  const pool = await createPool({ ...options, cells: catalogue.cells });
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
    ready: () => !draining && pool.alive() > 0,
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
      draining = true;
      await sleep(drainDelay);
      const late = setTimeout(() => server.closeAllConnections(), drainTimeout);
      await new Promise((resolve) => server.close(resolve));
      clearTimeout(late);
      const answered = batcher.waiting() === 0;
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
