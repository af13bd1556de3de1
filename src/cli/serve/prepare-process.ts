/** A process that prepares one classifier: the server answers meanwhile, and does not keep the memory that this takes. */
import type { ModelCatalogue } from '../../server/index.ts';
import { InputError } from '../../runtime/errors.ts';
import { prepareModel, type ServeModel } from './prepare.ts';

/** What it is asked, once. */
export interface PrepareTask {
  readonly model: ServeModel;
  readonly folder: string;
}

/** What it answers. */
export type Prepared =
  { readonly catalogue: ModelCatalogue } | { readonly error: string; readonly isInput: boolean };

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

process.on('disconnect', () => process.exit());
process.once('message', ({ model, folder }: PrepareTask) => {
  const send = (answer: Prepared): void => {
    process.send!(answer, () => process.exit());
  };
  prepareModel(model, folder).then(
    (catalogue) => send({ catalogue }),
    (error: unknown) =>
      send({
        error: error instanceof Error ? error.message : String(error),
        isInput: error instanceof InputError,
      }),
  );
});
