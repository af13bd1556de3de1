import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { Batcher, BatcherEvents } from './batcher.ts';
import type { Pool } from './pool.ts';

/** What `GET /metrics` tells, in Prometheus' text format. */
export interface Metrics {
  readonly registry: Registry;
  /** Counts and times every request. */
  readonly middleware: MiddlewareHandler;
  readonly events: BatcherEvents;
  /** Registers the numbers that are read when they are asked for. */
  watch(batcher: Batcher, pool: Pool): void;
}

/** Metrics of one server, in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Histogram({
    name: 'sparring_http_request_duration_seconds',
    help: 'Time from a request to its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const batches = new Histogram({
    name: 'sparring_batch_duration_seconds',
    help: 'Time a worker had a batch',
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
    registers,
  });
  const sizes = new Histogram({
    name: 'sparring_batch_images',
    help: 'Images of a batch',
    buckets: [1, 2, 4, 8, 16, 32, 64],
    registers,
  });
  const failures = new Counter({
    name: 'sparring_batch_failures_total',
    help: 'Batches that failed because their worker died or took too long',
    registers,
  });
  return {
    registry,
    async middleware(c, next) {
      const end = requests.startTimer({ method: c.req.method });
      await next();
      end({ route: routePath(c), status: c.res.status });
    },
    events: {
      batch(images, seconds) {
        sizes.observe(images);
        batches.observe(seconds);
      },
      failure: () => failures.inc(),
    },
    watch(batcher, pool) {
      const gauge = (name: string, help: string, read: () => number): void => {
        void new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(read());
          },
        });
      };
      gauge('sparring_queue_images', 'Images that wait for a worker', () => batcher.waiting());
      gauge('sparring_workers', 'Worker processes that are alive', () => pool.pids().length);
    },
  };
}
