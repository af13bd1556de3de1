import { valuesOf } from '../../runtime/classifier-card.ts';
import { loadCatalogue, type ServeOptions, type Serving } from '../../server/index.ts';
import { demoFolder } from '../experiment/demo-folder.ts';
import { withDemoModels } from '../experiment/demo-models.ts';
import { pageFiles } from '../experiment/demo-page.ts';
import { modelFolder, type Version } from './model-folder.ts';
import type { ServeModel } from './prepare.ts';

/** What a server is to serve. */
export interface Subject {
  /** In words, for a person who starts the server. */
  readonly what: string;
  readonly options: Pick<ServeOptions, 'catalogue' | 'demo' | 'demoFiles'> &
    Partial<Pick<ServeOptions, 'openCells'>>;
  /** Bytes that a body needs. */
  readonly body: number;
  /** Bytes of a body that is not large; so many of them times 32 may come in at a time. */
  readonly smallBody: number;
  /** Serves the file as it is now, where it has changed; null for what never changes. */
  readonly reload: ((serving: Serving, log: ServeOptions['log']) => Promise<void>) | null;
  /** When the server has ended. */
  readonly end: () => Promise<void>;
}

const smallBody = 2 * 1024 * 1024;

/** A trained run. Its files are those that it wrote, so that there is nothing to reload. */
export async function runSubject(run: string): Promise<Subject> {
  const trained = await loadCatalogue(run);
  if (trained.cells.length > 1) {
    process.stderr.write(`preparing ${trained.cells.length} attackers, half a second each\n`);
  }
  const catalogue = await withDemoModels(trained);
  const demo = await demoFolder();
  const { cells } = catalogue;
  return {
    what: `${catalogue.run}: ${cells.length === 1 ? '1 attacker' : `${cells.length} attackers`}`,
    options: { catalogue, demo, demoFiles: await pageFiles(run, catalogue, demo, null) },
    body: smallBody,
    smallBody,
    reload: null,
    end: async () => {},
  };
}

/** A number of JSON has about as many bytes. */
const bytesOfNumber = 12;

/** A classifier. */
export async function modelSubject(model: ServeModel, images: number): Promise<Subject> {
  const folder = await modelFolder(model);
  const first = await folder.prepare().catch(async (error: unknown) => {
    await folder.remove();
    throw error;
  });
  const { name, card, attacks, understood, noGradient } = first.catalogue;
  for (const line of [...understood, ...(noGradient === null ? [] : [noGradient])]) {
    process.stderr.write(`${model.path}: ${line}\n`);
  }
  let now = first;
  /** Requests that began with it may still need it. */
  let before: Version | null = null;
  const reload = async (serving: Serving, log: ServeOptions['log']): Promise<void> => {
    const next = await folder.prepare();
    const { sha256, source } = next.catalogue;
    if (source.id === now.catalogue.source.id) {
      await next.remove();
      log.info({ model: name, sha256 }, 'the model has not changed');
      return;
    }
    try {
      await serving.change(next.catalogue);
    } catch (error) {
      await next.remove();
      throw error;
    }
    await before?.remove();
    [now, before] = [next, now];
    log.info({ model: name, sha256 }, 'serves the changed model');
  };
  let last: Promise<void> = Promise.resolve();
  return {
    what: `${name}: ${attacks.names.length} attacks`,
    options: { catalogue: first.catalogue, demo: null, openCells: 1 },
    body: Math.max(smallBody, images * bytesOfNumber * valuesOf(card.image)),
    smallBody,
    reload(serving, log) {
      last = last
        .then(() => reload(serving, log))
        .catch((error: unknown) => {
          log.error({ err: error, model: name }, 'the model cannot be reloaded; the one before is served');
        });
      return last;
    },
    end: () => folder.remove(),
  };
}
