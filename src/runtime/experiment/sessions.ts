import type { LossName } from '../attacks/index.ts';
import { modelDevice, openModel, type Model, type SessionOptions } from '../session.ts';

/** Makes the gradient program of a classifier (`classifierGradientModel`), lowered for the device in use. */
export type MakeGradient = (classifier: Uint8Array, loss: LossName) => Uint8Array;

/** Models that are open, to be closed together. */
export class Sessions {
  readonly #options: SessionOptions;
  readonly #open: Pick<Model, 'close'>[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** A model in ONNX's own operators. */
  model(bytes: Uint8Array): Promise<Model> {
    return this.add(openModel(bytes, { ...this.#options, device: modelDevice(this.#options.device) }));
  }

  async close(): Promise<void> {
    for (const model of this.#open.splice(0)) await model.close();
  }

  /** What is to be closed with the others. */
  async add<T extends Pick<Model, 'close'>>(opening: Promise<T>): Promise<T> {
    const opened = await opening;
    this.#open.push(opened);
    return opened;
  }
}
