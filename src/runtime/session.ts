import type { ProgramMetadata } from '../builder/program.ts';
import { InferenceSession, OrtTensor } from './ort.ts';
import { fillUniform, stream } from './random.ts';
import { elements, float32, type Tensor, type Tensors } from './tensor.ts';

/** A program as the runtime sees it: ONNX bytes and what their inputs and outputs are for. */
export interface ProgramFile {
  readonly bytes: Uint8Array;
  readonly metadata: ProgramMetadata;
}

/** Where and how programs run. The same device and thread count give the same bits. */
export interface SessionOptions {
  readonly threads: number;
}

/** An open model: named tensors in, named tensors out. */
export interface Model {
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

/** An open training program with its state. */
export interface Training {
  /** One step. Gives the metrics; the state has moved on. */
  step(data: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, number>>>;
  /** A copy of the state as it is now. */
  state(): Tensors;
  close(): Promise<void>;
}

/** Opens a model for inference. */
export async function openModel(bytes: Uint8Array, options: SessionOptions): Promise<Model> {
  const session = await createSession(bytes, options);
  return {
    async run(inputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toOrt(tensor)]));
      const outputs = await session.run(feeds);
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, fromOrt(tensor)]));
    },
    close: () => session.release(),
  };
}

/**
 * Opens a training program on a state, and on the weights of the networks that it reads and does not train. Two sets
 * of state tensors take turns as input and output, so that a step allocates nothing.
 *
 * @throws Error when a state tensor is missing or has another shape.
 */
export async function openTraining(
  { bytes, metadata }: ProgramFile,
  state: Tensors,
  frozen: Tensors,
  options: SessionOptions,
): Promise<Training> {
  const take = (
    from: Tensors,
    what: string,
    { name, shape }: { name: string; shape: readonly unknown[] },
  ): Tensor => {
    const tensor = from.get(name);
    if (!tensor) throw new Error(`${metadata.name}: ${what} ${name} is missing`);
    if (tensor.shape.join() !== shape.join()) {
      throw new Error(`${metadata.name}: ${what} ${name} is [${tensor.shape}], expected [${shape.join()}]`);
    }
    return tensor;
  };
  const fixed = Object.fromEntries(metadata.frozen.map((p) => [p.name, toOrt(take(frozen, 'weight', p))]));
  let current = metadata.state.map((p) => toOrt(copyOf(take(state, 'state', p))));
  let next = current.map((tensor) => toOrt(copyOf(fromOrt(tensor))));
  const session = await createSession(bytes, options);

  return {
    async step(data) {
      const feeds: Record<string, OrtTensor> = { ...fixed };
      const fetches: Record<string, OrtTensor | null> = {};
      for (const [name, tensor] of Object.entries(data)) feeds[name] = toOrt(tensor);
      for (const name of metadata.metrics) fetches[name] = null;
      metadata.state.forEach(({ name, output }, i) => {
        feeds[name] = current[i]!;
        fetches[output] = next[i]!;
      });
      const results = await session.run(feeds, fetches);
      [current, next] = [next, current];
      return Object.fromEntries(metadata.metrics.map((name) => [name, Number(results[name]!.data[0])]));
    },
    state: () => new Map(metadata.state.map(({ name }, i) => [name, copyOf(fromOrt(current[i]!))])),
    close: () => session.release(),
  };
}

/** A program's first state, drawn as its metadata says from streams under `path` (run seed, network). */
export function initialState(metadata: ProgramMetadata, path: readonly (string | number)[]): Tensors {
  return new Map(
    metadata.state.map(({ name, shape, init }) => {
      const dims = shape.map(Number);
      const data = new Float32Array(elements(dims));
      if (init.kind === 'constant') data.fill(init.value);
      else fillUniform(data, init.low, init.high, stream(...path, 'init', name));
      return [name, float32(dims, data)];
    }),
  );
}

const createSession = (bytes: Uint8Array, { threads }: SessionOptions): Promise<InferenceSession> =>
  InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });

const toOrt = ({ dtype, shape, data }: Tensor): OrtTensor =>
  new OrtTensor(dtype, data as Float32Array, shape);

const fromOrt = (tensor: OrtTensor): Tensor => ({
  dtype: tensor.type as Tensor['dtype'],
  shape: tensor.dims,
  data: tensor.data as Tensor['data'],
});

const copyOf = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.slice() as Tensor['data'] });
