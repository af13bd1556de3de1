import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../runtime/errors.ts';
import type { ModelCatalogue } from '../../server/index.ts';
import type { ServeModel } from './prepare.ts';
import type { Prepared, PrepareTask } from './prepare-process.ts';

/** A version of a classifier, prepared for workers. */
export interface Version {
  readonly catalogue: ModelCatalogue;
  /** Deletes its files. */
  remove(): Promise<void>;
}

/** Where the prepared versions of a classifier lie while it is served. */
export interface ModelFolder {
  /** Prepares the file as it is now, in another process. Throws InputError when it cannot be served. */
  prepare(): Promise<Version>;
  /** Deletes all of them. */
  remove(): Promise<void>;
}

/** Makes a folder for the versions of a classifier. */
export async function modelFolder(model: ServeModel): Promise<ModelFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'sparring-serve-'));
  const removing = (path: string) => () => rm(path, { recursive: true, force: true });
  let count = 0;
  return {
    async prepare() {
      const own = join(folder, String(count++));
      const remove = removing(own);
      try {
        return { catalogue: await inProcess({ model, folder: own }), remove };
      } catch (error) {
        await remove();
        throw error;
      }
    },
    remove: removing(folder),
  };
}

const inProcess = (task: PrepareTask): Promise<ModelCatalogue> =>
  new Promise((resolve, reject) => {
    const file = fileURLToPath(import.meta.url).replace(/model-folder(\.[jt]s)$/, 'prepare-process$1');
    const { SPARRING_TOKEN: _, ...env } = process.env;
    const child = fork(file, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ORT_DISABLE_TELEMETRY: '1', ...env } as NodeJS.ProcessEnv,
    });
    child.once('message', (answer: Prepared) => {
      if ('catalogue' in answer) resolve(answer.catalogue);
      else reject(answer.isInput ? new InputError(answer.error) : new Error(answer.error));
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(
        new Error(`${task.model.path}: the process that read it ended with ${signal ?? `status ${code}`}`),
      ),
    );
    child.send(task);
  });
