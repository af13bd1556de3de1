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
  readonly events: BatcherEvents & {
    /** A request was answered before it came to the app. */
    readonly turnedAway: (method: string, status: number) => void;
    /** A connection was closed because there are too many. */
    readonly dropped: () => void;
    /** A worker ended unasked, or could not start. */
    readonly workerEnd: () => void;
  };
  /** Registers the numbers that are read when they are asked for. */
  watch(sources: Watched): void;
}

/** What is read when metrics are asked for. */
export interface Watched {
  readonly batcher: Batcher;
  readonly pool: Pool;
  readonly connections: () => number;
  readonly droppedLogLines: () => number;
}

/** Methods that have a label of their own: clients choose the others, and each would be another series. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'DELETE', 'PATCH']);
const labelOf = (method: string): string => (methods.has(method) ? method : 'other');

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
    help: 'Batches that failed because their worker ended or could not run them',
    registers,
  });
  const ends = new Counter({
    name: 'sparring_worker_ends_total',
    help: 'Workers that ended unasked or could not start; each is replaced',
    registers,
  });
  const drops = new Counter({
    name: 'sparring_dropped_connections_total',
    help: 'Connections that were closed at once because there were too many',
    registers,
  });
  return {
    registry,
    async middleware(c, next) {
      const end = requests.startTimer({ method: labelOf(c.req.method) });
      await next();
      end({ route: routePath(c), status: c.res.status });
    },
    events: {
      batch(images, seconds) {
        sizes.observe(images);
        batches.observe(seconds);
      },
      failure: () => failures.inc(),
      turnedAway: (method, status) =>
        requests.observe({ method: labelOf(method), route: 'none', status: String(status) }, 0),
      dropped: () => drops.inc(),
      workerEnd: () => ends.inc(),
    },
    watch({ batcher, pool, connections, droppedLogLines }) {
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
      gauge('sparring_workers', 'Worker processes that there are', () => pool.pids().length);
      gauge('sparring_workers_ready', 'Workers whose last inference succeeded', () => pool.ready());
      gauge('sparring_connections', 'Open connections', connections);
      gauge('sparring_log_lines_dropped', 'Log lines that found no room since the start', droppedLogLines);
    },
  };
}
