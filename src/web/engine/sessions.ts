import type { InferenceSession } from 'onnxruntime-web';
import type { Runtime } from './ort.ts';
import type { Backend, ModelRef } from './protocol.ts';
import { download, type DownloadOptions } from './store.ts';

/** Tensors by name: float32 data with its shape, or int32 for labels. */
export type Feeds = Readonly<
  Record<string, { readonly data: Float32Array | Int32Array; readonly shape: readonly number[] }>
>;

/** Where models are fetched from and run. */
export interface SessionsOptions extends DownloadOptions {
  readonly backend: Backend;
}

/** Thrown when the backend itself fails: not the download of a model. */
export class BackendError extends Error {}

/** The models that were opened, and the way to run them, one run at a time. */
export class Sessions {
  readonly #ort: Promise<Runtime>;
  readonly #options: SessionsOptions;
  readonly #opening = new Map<string, Promise<InferenceSession>>();
  readonly #open = new Set<string>();
  readonly #warm = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  /** @param ort may be on its way: models are fetched meanwhile. */
  constructor(ort: Promise<Runtime>, options: SessionsOptions) {
    this.#ort = ort;
    this.#options = options;
  }

  /** Begins to fetch and open a model; a second call for the same does nothing more. */
  open(model: ModelRef): Promise<InferenceSession> {
    const found = this.#opening.get(model.url);
    if (found) return found;
    const { backend } = this.#options;
    const opening = download(model, this.#options).then(async (bytes) => {
      const ort = await this.#ort;
      const session = await this.#inTurn(() =>
        ort.InferenceSession.create(bytes, { executionProviders: [backend], logSeverityLevel: 3 }),
      );
      this.#open.add(model.url);
      return session;
    });
    this.#opening.set(model.url, opening);
    // a model that could not be had is tried again by the next who asks
    opening.catch(() => this.#opening.delete(model.url));
    return opening;
  }

  /** Whether a model is ready to run. */
  isOpen = ({ url }: ModelRef): boolean => this.#open.has(url);

  /** Opens a model and runs it once, if it never ran: a first run allocates and compiles, and says nothing of speed. */
  async warm(model: ModelRef, feeds: Feeds): Promise<void> {
    if (this.#warm.has(model.url)) return;
    await this.run(model, feeds);
    this.#warm.add(model.url);
  }

  /** Runs a model. Gives its float32 outputs. */
  async run(model: ModelRef, feeds: Feeds): Promise<Readonly<Record<string, Float32Array>>> {
    const session = await this.open(model);
    const ort = await this.#ort;
    const tensors = Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      data instanceof Float32Array
        ? new ort.Tensor('float32', data, shape)
        : new ort.Tensor('int32', data, shape),
    ]);
    const outputs = await this.#inTurn(() => session.run(Object.fromEntries(tensors)));
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]),
    );
  }

  /** ONNX Runtime Web does not take a second create() or run() before the first is done. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work).catch((error: unknown) => {
      throw new BackendError(error instanceof Error ? error.message : String(error), { cause: error });
    });
    this.#last = result.catch(() => {});
    return result;
  }
}
