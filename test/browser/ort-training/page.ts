/** Numbers of a tensor as they cross from Node to the page and back. */
export interface Plain {
  readonly type: 'float32' | 'int32' | 'int64' | 'bool';
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

/** A model to run in an ordinary session. */
export interface Run {
  /** ONNX bytes, in base64. */
  readonly model: string;
  readonly feeds: Readonly<Record<string, Plain>>;
}

/** Some training steps by artifacts under `/<folder>/`, on the images and labels in `images.bin` and `labels.bin`. */
export interface Job {
  readonly folder: string;
  readonly batchSize: number;
  readonly steps: number;
  /** All tensors of the checkpoint in the order of the training model's inputs; none, when they are not compared. */
  readonly layout: readonly (readonly [name: string, length: number])[];
  /** Where what their numbers should be is served. */
  readonly expected: string;
}

/** How a tensor differs from what was expected. */
export interface Difference {
  readonly name: string;
  /** Largest difference of a number. */
  readonly max: number;
  /** Euclidean length of the difference, and of what was expected. */
  readonly length: number;
  readonly expected: number;
}

/** What training gave. */
export interface Trained {
  readonly losses: readonly number[];
  /** Loss on the first batch with the running statistics, after training. */
  readonly evalLoss: number;
  readonly differences: readonly Difference[];
}

/** onnxruntime-web 1.19.2 as this page uses it; the alias of the package hides its own types. */
interface Ort {
  readonly env: { readonly wasm: { numThreads: number; wasmPaths: string } };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(bytes: Uint8Array, options?: object): Promise<Session> };
  readonly TrainingSession: {
    create(files: Readonly<Record<string, Uint8Array>>, options?: object): Promise<Training>;
  };
}
interface OrtTensor {
  readonly type: Plain['type'];
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}
type Named = Readonly<Record<string, OrtTensor>>;
interface Session {
  run(feeds: Named): Promise<Named>;
  release(): Promise<void>;
}
interface Training {
  lazyResetGrad(): Promise<void>;
  runTrainStep(feeds: Named): Promise<Named>;
  runOptimizerStep(): Promise<void>;
  runEvalStep(feeds: Named): Promise<Named>;
  getContiguousParameters(trainableOnly: boolean): Promise<OrtTensor>;
  release(): Promise<void>;
}

declare global {
  interface Window {
    ortTraining: {
      readonly run: (runs: readonly Run[]) => Promise<readonly (Readonly<Record<string, Plain>> | string)[]>;
      readonly train: (job: Job) => Promise<Trained>;
    };
  }
}

// served as it is in the package: a bundler would look for its WASM elsewhere
const ort = (await import(
  /* @vite-ignore */ new URL('/ort.training.wasm.min.mjs', location.href).href
)) as Ort;
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = '/';
const options = { executionProviders: ['wasm'], logSeverityLevel: 3 };

const get = async (path: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(path)).arrayBuffer());

function toOrt({ type, dims, data }: Plain): OrtTensor {
  const arrays = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;
  return new ort.Tensor(
    type,
    type === 'int64' ? BigInt64Array.from(data, BigInt) : arrays[type].from(data),
    dims,
  );
}

window.ortTraining = {
  /** Results in order; for a model that fails, why. */
  async run(runs) {
    const results: (Readonly<Record<string, Plain>> | string)[] = [];
    for (const { model, feeds } of runs) {
      try {
        const bytes = Uint8Array.from(atob(model), (c) => c.charCodeAt(0));
        const session = await ort.InferenceSession.create(bytes, options);
        const fed = Object.fromEntries(Object.entries(feeds).map(([name, x]) => [name, toOrt(x)]));
        const outputs = await session.run(fed);
        results.push(
          Object.fromEntries(
            Object.entries(outputs).map(([name, { type, dims, data }]) => [
              name,
              { type, dims, data: Array.from(data, Number) },
            ]),
          ),
        );
        await session.release();
      } catch (error) {
        results.push(String((error as Error).message ?? error));
      }
    }
    return results;
  },

  async train({ folder, batchSize, steps, layout, expected }) {
    const training = await ort.TrainingSession.create(
      {
        checkpointState: await get(`/${folder}/checkpoint`),
        trainModel: await get(`/${folder}/training_model.onnx`),
        evalModel: await get(`/${folder}/eval_model.onnx`),
        optimizerModel: await get(`/${folder}/optimizer_model.onnx`),
      },
      options,
    );
    const images = new Float32Array((await get('/images.bin')).buffer);
    const labels = new Int32Array((await get('/labels.bin')).buffer);
    const batch = (step: number): Named => ({
      image: new ort.Tensor('float32', images.slice(784 * batchSize * step, 784 * batchSize * (step + 1)), [
        batchSize,
        1,
        28,
        28,
      ]),
      label: new ort.Tensor('int32', labels.slice(batchSize * step, batchSize * (step + 1)), [batchSize]),
    });
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      const results = await training.runTrainStep(batch(step));
      losses.push(Number(results['loss']!.data[0]));
      await training.runOptimizerStep();
      await training.lazyResetGrad();
    }
    const evaluated = await training.runEvalStep(batch(0));
    const evalLoss = Number(evaluated['loss']!.data[0]);
    if (layout.length === 0) {
      await training.release();
      return { losses, evalLoss, differences: [] };
    }
    const numbers = (await training.getContiguousParameters(false)).data as Float32Array;
    await training.release();

    const wanted = new Float32Array((await get(expected)).buffer);
    let at = 0;
    const differences = layout.map(([name, count]) => {
      let [max, squares, own] = [0, 0, 0];
      for (const end = at + count; at < end; at++) {
        const difference = Math.abs(numbers[at]! - wanted[at]!);
        if (!(difference <= max)) max = difference;
        squares += difference ** 2;
        own += wanted[at]! ** 2;
      }
      return { name, max, length: Math.sqrt(squares), expected: Math.sqrt(own) };
    });
    if (at !== numbers.length || at !== wanted.length)
      throw new Error(`${numbers.length} numbers came back, ${at} and ${wanted.length} were expected`);
    return { losses, evalLoss, differences };
  },
};
