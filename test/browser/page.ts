import type { ProgramMetadata } from '../../src/builder/program.ts';
import { batchAt } from '../../src/runtime/batches.ts';
import { env } from '../../src/runtime/ort.ts';
import { initialState, openTraining } from '../../src/runtime/session.ts';

/** Some steps of a training program, on the first images of a split. */
export interface Job {
  readonly metadata: ProgramMetadata;
  readonly frozen: ProgramMetadata | null;
  readonly device: 'cpu' | 'webgpu';
  readonly steps: number;
  readonly images: readonly number[];
  readonly labels: readonly number[];
}

declare global {
  interface Window {
    sparring: (job: Job) => Promise<readonly number[]>;
  }
}

env.wasm.numThreads = 1;

/** What Node does in the test, done in the browser: the losses of each step. */
window.sparring = async ({ metadata, frozen, device, steps, images, labels }) => {
  const response = await fetch(`/${metadata.name}-${device}.onnx`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const weights = frozen ? initialState(frozen, [1, 'c1']) : new Map();
  const state = initialState(metadata, [1, metadata.name]);
  const training = await openTraining({ bytes, metadata }, state, weights, { device, threads: 1 });
  const count = labels.length / steps;
  const split = {
    images: Uint8Array.from(images),
    labels: Uint8Array.from(labels),
    count: labels.length,
    height: 28,
    width: 28,
    classes: 10,
  };
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const indices = Array.from({ length: count }, (_, i) => step * count + i);
    const { image, label } = batchAt(split, indices);
    losses.push((await training.step({ image, label }))['loss']!);
  }
  await training.state(); // read back from the device
  await training.close();
  return losses;
};
