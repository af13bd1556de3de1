import { createApp, createBatcher, createMetrics, type App, type Catalogue } from '../../src/server/index.ts';
import type { OpenCell } from '../../src/server/inference.ts';
import { plainApp } from './server.ts';

/** How much a request to {@link runApp} may hold. */
export const limits = { images: 4, body: 100_000 };

/** The server of a run as a value, with a cell that is open in this process. */
export function runApp(catalogue: Catalogue, cell: OpenCell): App {
  const metrics = createMetrics();
  const pool = { workers: 1, run: async (batch: Parameters<OpenCell['attack']>[0]) => cell.attack(batch) };
  return createApp({
    catalogue,
    batcher: createBatcher(pool, { batch: 4, queue: 16, timeout: 20_000 }, metrics.events),
    metrics,
    ready: () => true,
    limits,
    ...plainApp,
  });
}
