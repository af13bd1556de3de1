export { createApp, type App, type AppDeps } from './app.ts';
export {
  loadCatalogue,
  bytesOf,
  manifestOf,
  storedBytes,
  type Catalogue,
  type Cell,
  type StoredModel,
} from './catalogue.ts';
export { standardOutput, type LogDestination } from './log.ts';
export { createBatcher, type Batcher, type BatcherOptions } from './batcher.ts';
export { createMetrics, type Metrics } from './metrics.ts';
export { createPool, type Pool, type PoolOptions } from './pool.ts';
export { serve, type ServeOptions, type Serving } from './serve.ts';
export type { AttackOffer, ModelCatalogue } from './model/catalogue.ts';
export type { AttackerSource, ClassifierSource, ModelSource } from './sources.ts';
export type { Served } from './served.ts';
export { clientsBy } from './client.ts';
