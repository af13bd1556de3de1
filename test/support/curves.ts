import type {} from '../browser/page.ts'; // what the page gives its window
import { lower, readback, type Program, type Target } from '../../src/builder/index.ts';
import { encode, encodeProgram } from '../../src/onnx/index.ts';
import { classifierTrain } from '../../src/models/programs.ts';
import { batchAt, limit, storedSource, valuesOf, type StoredSource } from '../../src/runtime/data/source.ts';
import type { Device } from '../../src/runtime/index.ts';
import { encodeSafetensors } from '../../src/runtime/safetensors.ts';
import { initialState, openTraining } from '../../src/runtime/session.ts';
import type { Tensors } from '../../src/runtime/tensor.ts';

/** Consecutive steps of a training program: the batches are the images in order. */
export interface Steps {
  readonly program: Program;
  readonly state: Tensors;
  readonly frozen: Tensors;
  readonly images: StoredSource;
}

/** The losses of the steps, and the state behind them where the side gives it. */
export interface Curve {
  /** Of each step in turn every loss of the program: one, or the attacker's and then the classifier's. */
  readonly losses: readonly number[];
  readonly state: Tensors;
}

/** The metrics of a program that are losses. */
export const lossesOf = ({ metadata }: Program): readonly string[] =>
  metadata.metrics.filter((name) => /(^|\/)loss$/.test(name));

const batchOf = ({ metadata }: Program): number => metadata.data[0]!.shape[0] as number;

/** In this process. WebGPU sessions refuse to fall back to the CPU. */
export async function inNode(
  { program, state, frozen, images }: Steps,
  target: Target,
  device: Device,
  threads = 1,
): Promise<Curve> {
  const file = {
    bytes: encodeProgram({ ...program, graph: lower(program.graph, target) }),
    metadata: program.metadata,
    readback: encode(readback(program)),
  };
  const training = await openTraining(file, state, frozen, { device, threads });
  const losses: number[] = [];
  for (let start = 0; start < images.count; start += batchOf(program)) {
    const indices = Array.from({ length: batchOf(program) }, (_, i) => start + i);
    const metrics = await training.step({ ...batchAt(images, indices) });
    losses.push(...lossesOf(program).map((name) => metrics[name]!));
  }
  const after = await training.state();
  await training.close();
  return { losses, state: after };
}

/** In Chromium: the same through onnxruntime-web, for programs of one loss. */
export interface Browser {
  losses(steps: Steps, target: 'cpu' | 'webgpu' | 'software'): Promise<readonly number[]>;
  close(): Promise<void>;
}

export async function openBrowser(): Promise<Browser> {
  const files = new Map<string, Uint8Array>();
  const { openPage } = await import('./browser.ts'); // where nothing runs in Chromium, it need not be installed
  const { page, close } = await openPage(files);
  return {
    async losses({ program, state, frozen, images }, target) {
      const { metadata } = program;
      files.set('program.onnx', encodeProgram({ ...program, graph: lower(program.graph, target) }));
      files.set('state.safetensors', encodeSafetensors(state as never, {}));
      files.set('frozen.safetensors', encodeSafetensors(frozen as never, {}));
      const device = target === 'cpu' ? ('cpu' as const) : ('webgpu' as const);
      return await page.evaluate((job) => window.sparring(job), {
        device,
        program: 'program.onnx',
        metadata,
        state: 'state.safetensors',
        frozen: metadata.frozen.length > 0 ? 'frozen.safetensors' : null,
        images: Array.from(images.stored.images),
        labels: Array.from(images.stored.labels),
        batchSize: batchOf(program),
      });
    },
    close,
  };
}

/** A classifier that has learned something: 100 steps on 5,000 images, in plain ONNX, so that no form changes it. */
export async function trainedClassifier(train: StoredSource): Promise<Tensors> {
  const program = classifierTrain({ batchSize: 50, learningRate: 1e-3 });
  const state = initialState(program.metadata, [1, 'c1']);
  return (await inNode({ program, state, frozen: new Map(), images: limit(train, 5000) }, 'plain', 'cpu'))
    .state;
}

/** The images of steps `from` to `to`, the last not included. */
export const imagesOf = (source: StoredSource, batchSize: number, from: number, to: number): StoredSource => {
  const { images, labels } = source.stored;
  const size = valuesOf(source.shape);
  return storedSource(source, {
    images: images.subarray(from * batchSize * size, to * batchSize * size),
    labels: labels.subarray(from * batchSize, to * batchSize),
  });
};

/** The largest difference of two curves. */
export const apart = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...a.map((loss, i) => Math.abs(loss - b[i]!)));
