import type { ProgramMetadata } from '../../src/builder/program.ts';
import { batchAt } from '../../src/runtime/data/source.ts';
import { env } from '../../src/runtime/ort.ts';
import { decodeSafetensors } from '../../src/runtime/safetensors.ts';
import { openTraining } from '../../src/runtime/session.ts';
import type { Tensors } from '../../src/runtime/tensor.ts';

/** Steps of a training program. Files are those that the page's server was given. */
export interface Job {
  readonly device: 'cpu' | 'webgpu';
  /** File of the program in the forms of the device. */
  readonly program: string;
  readonly metadata: ProgramMetadata;
  /** Files of safetensors: the state to begin with, and the weights that are read only. */
  readonly state: string;
  readonly frozen: string | null;
  /** The images of all steps, 28x28, as they are stored, and their labels. */
  readonly images: readonly number[];
  readonly labels: readonly number[];
  readonly batchSize: number;
}

declare global {
  interface Window {
    sparring: (job: Job) => Promise<readonly number[]>;
  }
}

env.wasm.numThreads = 1;

const file = async (name: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(`/${name}`)).arrayBuffer());
const tensors = async (name: string): Promise<Tensors> => decodeSafetensors(await file(name), name).tensors;

/** What Node does, done in the browser: the losses of each step. */
window.sparring = async ({ device, program, metadata, images, labels, batchSize, ...own }) => {
  const state = await tensors(own.state);
  const frozen = own.frozen === null ? new Map() : await tensors(own.frozen);
  const options = { device, threads: 1 } as const;
  const training = await openTraining({ bytes: await file(program), metadata }, state, frozen, options);
  const split = {
    stored: { images: Uint8Array.from(images), labels: Int32Array.from(labels) },
    shape: { channels: 1, height: 28, width: 28 },
    count: labels.length,
  };
  const losses: number[] = [];
  for (let start = 0; start < split.count; start += batchSize) {
    const indices = Array.from({ length: batchSize }, (_, i) => start + i);
    losses.push((await training.step({ ...batchAt(split, indices) }))['loss']!);
  }
  await training.state(); // read back from the device
  await training.close();
  return losses;
};
