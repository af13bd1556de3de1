import type { Target } from '../attack.ts';
import { modelDevice, openModel, type Model, type SessionOptions } from '../session.ts';

/** Who takes part: the classifier that is known, perhaps another that gets the same examples, and a learned attacker. */
export interface Players {
  readonly target: Target;
  readonly other?: Model;
  readonly attacker?: Model;
}

/** Makes the attack-step program of a classifier (`attackStepModel`), lowered for the device in use. */
export type MakeStep = (classifier: Uint8Array) => Uint8Array;

/** Models that are open, to be closed together. */
export class Sessions {
  readonly #options: SessionOptions;
  readonly #open: Model[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** A model in ONNX's own operators. */
  model(bytes: Uint8Array): Promise<Model> {
    return this.#add(bytes, { ...this.#options, device: modelDevice(this.#options.device) });
  }

  /** A program that was lowered for the device. */
  lowered(bytes: Uint8Array): Promise<Model> {
    return this.#add(bytes, this.#options);
  }

  async close(): Promise<void> {
    for (const model of this.#open.splice(0)) await model.close();
  }

  async #add(bytes: Uint8Array, options: SessionOptions): Promise<Model> {
    const model = await openModel(bytes, options);
    this.#open.push(model);
    return model;
  }
}
