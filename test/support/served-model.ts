import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareModel, type ServeModel } from '../../src/cli/serve/prepare.ts';
import { openServed, type ServedClassifier } from '../../src/server/classifier.ts';
import {
  createApp,
  createBatcher,
  createMetrics,
  type App,
  type AppDeps,
  type ModelCatalogue,
} from '../../src/server/index.ts';
import { plainApp } from './server.ts';
import { photoModel } from './photo-model.ts';

/** What `sparring serve model.onnx` asks for without any option, but for what is given. */
export const serving = (path: string, more: Partial<ServeModel> = {}): ServeModel => ({
  path,
  adopt: {},
  attack: null,
  attacks: null,
  norm: 'linf',
  eps: 8 / 255,
  mostEps: null,
  most: { steps: 100, queries: 1000, restarts: 10 },
  attackers: [],
  fit: null,
  ...more,
});

/** A photo classifier in a folder, prepared to be served. */
export async function preparedPhotos(
  folder: string,
  more: Partial<ServeModel> = {},
): Promise<ModelCatalogue> {
  const path = join(folder, 'photo.onnx');
  await writeFile(path, photoModel());
  return await prepareModel(serving(path, more), join(folder, 'prepared'));
}

/** A model with real sessions in this thread, and the app around them. */
export interface InThread {
  readonly app: (deps?: Partial<AppDeps>) => App;
  close(): Promise<void>;
}

export async function inThread(catalogue: ModelCatalogue): Promise<InThread> {
  const open: ServedClassifier = await openServed(catalogue.source, 1);
  const sessions = {
    workers: 1,
    run: async (batch: Parameters<ServedClassifier['answer']>[0]) => await open.answer(batch, Infinity),
  };
  return {
    app(deps = {}) {
      const metrics = createMetrics();
      return createApp({
        catalogue,
        batcher: createBatcher(sessions, { batch: 16, queue: 64, timeout: 120_000 }, metrics.events),
        metrics,
        ready: () => true,
        limits: { images: 4, body: 32 * 1024 * 1024 },
        ...plainApp,
        ...deps,
      });
    },
    close: () => open.close(),
  };
}
