import type { ImageSource, Stored } from '../data/source.ts';
import { openTraining, type ProgramFile, type SessionOptions, type Training } from '../session.ts';
import type { Tensor, Tensors } from '../tensor.ts';

/** Metrics of one step, by name. */
export type Metrics = Readonly<Record<string, number>>;

/** What a step is given beside its examples, by the names of the program's data. */
export type Given = Readonly<Record<string, Tensor>>;

/** Training steps on the examples of a source. */
export interface Steps {
  /** Whether a run of several steps is one call: it then moves the state by all of them, or fails and by none. */
  readonly repeats: boolean;
  /**
   * One step for each batch of example numbers, in order, in one call where the program repeats steps.
   *
   * @param given for each batch, what the program takes beside examples.
   */
  run(batches: readonly ArrayLike<number>[], given?: readonly Given[]): Promise<readonly Metrics[]>;
  /** A copy of the state as it is now. */
  state(): Promise<Tensors>;
  close(): Promise<void>;
}

/**
 * Opens a training program on images: one that repeats steps (`repeatSteps`), which reads all examples as they are stored in
 * memory and does as many steps a run as it is given batches, or one of a single step, which is fed batch by batch. Both
 * give the same bits on a CPU; the first copies the state once a run.
 *
 * @throws Error when a program that repeats steps is given images that are not in memory.
 */
export async function openSteps(
  program: ProgramFile,
  state: Tensors,
  frozen: Tensors,
  source: ImageSource,
  options: SessionOptions,
): Promise<Steps> {
  const repeats = program.metadata.data.some(({ name }) => name === 'indices');
  const { stored } = source;
  if (repeats && !stored) {
    throw new Error(`${program.metadata.name} takes all images at once; ${source.name} is not in memory`);
  }
  const training = await openTraining(program, state, frozen, options);
  return {
    repeats,
    run:
      repeats && stored
        ? (batches, given) => repeated(training, source, stored, batches, given)
        : async (batches, given) => {
            const metrics: Metrics[] = [];
            for (const [i, indices] of batches.entries()) {
              metrics.push(await training.step({ ...(await source.read(indices)), ...given?.[i] }));
            }
            return metrics;
          },
    state: () => training.state(),
    close: () => training.close(),
  };
}

async function repeated(
  training: Training,
  { count, shape: { channels, height, width } }: ImageSource,
  { images, labels }: Stored,
  batches: readonly ArrayLike<number>[],
  given: readonly Given[] = [],
): Promise<readonly Metrics[]> {
  const batch = batches[0]!.length;
  const indices = BigInt64Array.from(batches.flatMap((numbers) => Array.from(numbers, BigInt)));
  const metrics = await training.run({
    indices: { dtype: 'int64', shape: [batches.length, batch], data: indices },
    'all/image': { dtype: 'uint8', shape: [count, channels, height, width], data: images },
    'all/label': { dtype: 'int32', shape: [count], data: labels },
    ...Object.fromEntries(
      Object.keys(given[0] ?? {}).map((name) => [`each/${name}`, stacked(given.map((each) => each[name]!))]),
    ),
  });
  return batches.map((_, step) =>
    Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, values[step]!])),
  );
}

/** Tensors of one type as one, with an axis before theirs. */
function stacked(tensors: readonly Tensor[]): Tensor {
  const { dtype, shape, data: first } = tensors[0]!;
  const data = new (first.constructor as Uint8ArrayConstructor)(tensors.length * first.length);
  tensors.forEach((tensor, i) => data.set(tensor.data as Uint8Array, i * first.length));
  return { dtype, shape: [tensors.length, ...shape], data };
}
