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

/** The models that were opened, and the way to run them, one run at a time. */
export class Sessions {
  readonly #ort: Runtime;
  readonly #options: SessionsOptions;
  readonly #open = new Map<string, Promise<InferenceSession>>();
  readonly #warm = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(ort: Runtime, options: SessionsOptions) {
    this.#ort = ort;
    this.#options = options;
  }

  /** Begins to fetch and open a model; a second call for the same does nothing more. */
  open(model: ModelRef): Promise<InferenceSession> {
    const found = this.#open.get(model.url);
    if (found) return found;
    const { backend } = this.#options;
    const opening = download(model, this.#options).then((bytes) =>
      this.#inTurn(() =>
        this.#ort.InferenceSession.create(bytes, {
          executionProviders: [backend],
          logSeverityLevel: 3,
        }),
      ),
    );
    this.#open.set(model.url, opening);
    // a model that could not be had is tried again by the next who asks
    opening.catch(() => this.#open.delete(model.url));
    return opening;
  }

  /** Opens a model and runs it once, if it never ran: a first run allocates and compiles, and says nothing of speed. */
  async warm(model: ModelRef, feeds: Feeds): Promise<void> {
    if (this.#warm.has(model.url)) return;
    await this.run(model, feeds);
    this.#warm.add(model.url);
  }

  /** Runs a model. Gives its float32 outputs. */
  async run(model: ModelRef, feeds: Feeds): Promise<Readonly<Record<string, Float32Array>>> {
    const session = await this.open(model);
    const tensors = Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      data instanceof Float32Array
        ? new this.#ort.Tensor('float32', data, shape)
        : new this.#ort.Tensor('int32', data, shape),
    ]);
    const outputs = await this.#inTurn(() => session.run(Object.fromEntries(tensors)));
    return Object.fromEntries(
      Object.entries(outputs).map(([name, tensor]) => [name, tensor.data as Float32Array]),
    );
  }

  /** ONNX Runtime Web does not take a second create() or run() before the first is done. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
