import type { Port, ProgramMetadata } from '../builder/program.ts';
import type { Device } from './devices/index.ts';
import { executionProvider, InferenceSession, OrtTensor } from './ort.ts';
import { fillUniform, stream } from './random.ts';
import { elements, float32, type Tensor, type Tensors } from './tensor.ts';

/** A program as the runtime sees it: ONNX bytes and what their inputs and outputs are for. */
export interface ProgramFile {
  readonly bytes: Uint8Array;
  readonly metadata: ProgramMetadata;
  /**
   * A model that gives every state tensor back as `read/<name>`: how state is read from a WebGPU device in Node, where
   * getData() on a GPU tensor ends the process.
   */
  readonly readback?: Uint8Array;
}

/** Where and how programs run. The same device and thread count give the same bits. */
export interface SessionOptions {
  readonly device: Device;
  readonly threads: number;
  /**
   * Whether threads of the CPU wait for work by spinning, and not for 10 microseconds before they sleep. That is faster
   * for short runs, and slows both sides down where other processes want the cores. When absent: a model spins, a training
   * does not. The results do not depend on it.
   */
  readonly spinning?: boolean;
  /**
   * Whether ONNX Runtime may change a graph before it runs it, which makes it faster; true when absent. Its 1.29 changes
   * the results of some graphs by that, such as a Pad before a MaxPool.
   */
  readonly optimized?: boolean;
}

/** The shape of each port by its name; a size that is open has a name, or none. */
export type Shapes = Readonly<Record<string, readonly (number | string)[]>>;

/** A tensor of any type that the ports of other tools' files may have: of sixteen-bit floats it holds the bits. */
export type FileTensor =
  | Tensor
  | { readonly dtype: 'float16'; readonly shape: readonly number[]; readonly data: Uint16Array }
  | { readonly dtype: 'float64'; readonly shape: readonly number[]; readonly data: Float64Array };

/** The files that the weights of a model lie in, by the names that it gives them. */
export type ExternalFiles = Readonly<Record<string, Uint8Array>>;

/** An open model: named tensors in, named tensors out. */
export interface Model {
  readonly inputs: Shapes;
  readonly outputs: Shapes;
  run(inputs: Readonly<Record<string, FileTensor>>): Promise<Readonly<Record<string, Tensor>>>;
  close(): Promise<void>;
}

/** An open training program with its state. */
export interface Training {
  /** One run of the program. Gives the metrics, of one step or of each when it repeats them; the state has moved on. */
  run(data: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, readonly number[]>>>;
  /** One run of a program of one step. */
  step(data: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, number>>>;
  /** A copy of the state as it is now. */
  state(): Promise<Tensors>;
  close(): Promise<void>;
}

/**
 * Where models in ONNX's own operators run beside training on a device: on CUDA those need cuDNN (convolutions, pools),
 * which training programs do without, so the CPU runs them.
 */
export const modelDevice = (device: Device): Device => (device === 'cuda' ? 'cpu' : device);

/** Opens a model for inference. */
export async function openModel(
  bytes: Uint8Array,
  options: SessionOptions,
  external: ExternalFiles = {},
): Promise<Model> {
  const externalData = Object.entries(external).map(([path, data]) => ({ path, data }));
  const session = await createSession(bytes, options, externalData.length > 0 ? { externalData } : {});
  return {
    inputs: shapesOf(session.inputMetadata),
    outputs: shapesOf(session.outputMetadata),
    async run(inputs) {
      const feeds = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, toOrt(tensor)]));
      const outputs = await session.run(feeds);
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, fromOrt(tensor)]));
    },
    close: () => session.release(),
  };
}

const shapesOf = (ports: readonly InferenceSession.ValueMetadata[]): Shapes =>
  Object.fromEntries(ports.map((port) => [port.name, port.isTensor ? port.shape : []]));

/**
 * Opens a training program on a state, and on the weights of the networks that it reads and does not train.
 *
 * @throws Error when a tensor is missing or has another dtype or shape.
 */
export async function openTraining(
  { bytes, metadata, readback }: ProgramFile,
  state: Tensors,
  frozen: Tensors,
  options: SessionOptions,
): Promise<Training> {
  const typeOf = ({ dtype, shape }: Pick<Port, 'dtype' | 'shape'>): string => `${dtype} [${shape.join()}]`;
  const take = (from: Tensors, what: string, port: Port): Tensor => {
    const tensor = from.get(port.name);
    if (!tensor) throw new Error(`${metadata.name}: ${what} ${port.name} is missing`);
    if (typeOf(tensor) !== typeOf(port)) {
      throw new Error(
        `${metadata.name}: ${what} ${port.name} is ${typeOf(tensor)}, expected ${typeOf(port)}`,
      );
    }
    return tensor;
  };
  const fixed = Object.fromEntries(metadata.frozen.map((p) => [p.name, toOrt(take(frozen, 'weight', p))]));
  // no session writes into what it is fed
  const begin = metadata.state.map((p) => take(state, 'state', p));
  const open = options.device === 'webgpu' ? stateOnDevice : stateInMemory;
  const held = await open({ bytes, metadata, ...(readback && { readback }) }, begin, {
    spinning: false,
    ...options,
  });

  const run = async (data: Readonly<Record<string, Tensor>>) => {
    const feeds: Record<string, OrtTensor> = { ...fixed };
    for (const [name, tensor] of Object.entries(data)) feeds[name] = toOrt(tensor);
    const metrics = await held.run(feeds);
    return metadata.metrics.map((name) => [name, Array.from(metrics[name]!.data as Float32Array)] as const);
  };

  return {
    run: async (data) => Object.fromEntries(await run(data)),
    step: async (data) => Object.fromEntries((await run(data)).map(([name, [value]]) => [name, value!])),
    async state() {
      const tensors = await held.read();
      return new Map(metadata.state.map(({ name }, i) => [name, tensors[i]!]));
    },
    close: () => held.close(),
  };
}

/** State between steps, wherever it lies. */
interface HeldState {
  /** One step: the state is fed and moves on; gives the metrics. */
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<InferenceSession.ReturnType>;
  /** Copies, in the order of the metadata. */
  read(): Promise<readonly Tensor[]>;
  close(): Promise<void>;
}

type OpenState = (
  program: ProgramFile,
  begin: readonly Tensor[],
  options: SessionOptions,
) => Promise<HeldState>;

/** In memory: what a run gave is what the next one is fed. */
const stateInMemory: OpenState = async ({ bytes, metadata }, begin, options) => {
  let current = begin.map(toOrt);
  // one block planned for a whole run would lie beside what the loop allocates: 180 MB of the attacker's, for no time
  const session = await createSession(bytes, options, { enableMemPattern: false });
  return {
    async run(data) {
      const feeds = { ...data };
      metadata.state.forEach(({ name }, i) => (feeds[name] = current[i]!));
      const results = await session.run(feeds);
      current = metadata.state.map(({ output }) => results[output]!);
      return results;
    },
    read: () => Promise.resolve(current.map((tensor) => copyOf(fromOrt(tensor)))),
    close: () => session.release(),
  };
};

/** On the device: outputs stay in its memory and are the next step's inputs; what was an input is freed. */
const stateOnDevice: OpenState = async ({ bytes, metadata, readback }, begin, options) => {
  let current = begin.map(toOrt);
  const preferredOutputLocation = Object.fromEntries(
    metadata.state.map(({ output }) => [output, 'gpu-buffer' as const]),
  );
  const session = await createSession(bytes, options, {
    preferredOutputLocation,
    // a node that fell to the CPU would copy its tensors there and back on every step
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  });
  const reader = readback && (await createSession(readback, options));
  return {
    async run(data) {
      const feeds = { ...data };
      metadata.state.forEach(({ name }, i) => (feeds[name] = current[i]!));
      const results = await session.run(feeds);
      free(current);
      current = metadata.state.map(({ output }) => results[output]!);
      return results;
    },
    async read() {
      if (current.every((tensor) => tensor.location !== 'gpu-buffer'))
        return current.map((t) => copyOf(fromOrt(t)));
      if (!reader)
        return await Promise.all(
          current.map(async (t) => ({ ...fromOrtType(t), data: await t.getData() }) as Tensor),
        );
      const read = await reader.run(
        Object.fromEntries(metadata.state.map(({ name }, i) => [name, current[i]!])),
      );
      return metadata.state.map(({ name }) => copyOf(fromOrt(read[`read/${name}`]!)));
    },
    async close() {
      free(current);
      await reader?.release();
      await session.release();
    },
  };
};

function free(tensors: readonly OrtTensor[]): void {
  for (const tensor of tensors) if (tensor.location === 'gpu-buffer') tensor.dispose();
}

/** A program's first state, drawn as its metadata says from streams under `path` (run seed, network). */
export function initialState(metadata: ProgramMetadata, path: readonly (string | number)[]): Tensors {
  return new Map(
    metadata.state.map(({ name, shape, init }) => {
      const dims = shape.map(Number);
      const data = new Float32Array(elements(dims));
      if (init.kind === 'uniform') fillUniform(data, init.low, init.high, stream(...path, 'init', name));
      // zeros that nobody writes take no memory: two thirds of the first state under Adam
      else if (init.value !== 0) data.fill(init.value);
      return [name, float32(dims, data)];
    }),
  );
}

/** Long enough for the next operator of a training step, and too short to take a core from others. */
const spinFor = '10';

const createSession = (
  bytes: Uint8Array,
  { device, threads, spinning = true, optimized = true }: SessionOptions,
  { extra, ...more }: InferenceSession.SessionOptions = {},
): Promise<InferenceSession> =>
  InferenceSession.create(bytes, {
    ...executionProvider(device),
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    ...(!optimized && { graphOptimizationLevel: 'disabled' }),
    extra: {
      ...(device === 'cpu' && !spinning && { session: { intra_op: { spin_duration_us: spinFor } } }),
      ...extra,
      ...exact,
    },
    ...more,
  });

/**
 * Without an optimiser of ONNX Runtime 1.29 that is wrong: it draws a Pad of zeros into the MaxPool behind it, which then
 * pads with what is less than any number. Networks of Keras that pad before a pool have other logits by it.
 */
const exact = { optimization: { disable_specified_optimizers: 'Pad_Fusion' } };

const toOrt = ({ dtype, shape, data }: FileTensor): OrtTensor =>
  new OrtTensor(dtype as Tensor['dtype'], data as Float32Array, shape);

const fromOrtType = (tensor: OrtTensor) => ({
  dtype: tensor.type as Tensor['dtype'],
  shape: tensor.dims,
});

const fromOrt = (tensor: OrtTensor): Tensor => ({
  ...fromOrtType(tensor),
  data: tensor.data as Tensor['data'],
});

const copyOf = (tensor: Tensor): Tensor => ({ ...tensor, data: tensor.data.slice() as Tensor['data'] });
