import { batchAt, type StoredSource } from '../data/source.ts';
import { openTraining, type ProgramFile, type SessionOptions, type Training } from '../session.ts';
import type { Tensors } from '../tensor.ts';

/** Metrics of one step, by name. */
export type Metrics = Readonly<Record<string, number>>;

/** Training steps on the examples of a source. */
export interface Steps {
  /** Whether a run of several steps is one call: it then moves the state by all of them, or fails and by none. */
  readonly repeats: boolean;
  /** One step for each batch of example numbers, in order, in one call where the program repeats steps. */
  run(batches: readonly ArrayLike<number>[]): Promise<readonly Metrics[]>;
  /** A copy of the state as it is now. */
  state(): Promise<Tensors>;
  close(): Promise<void>;
}

/**
 * Opens a training program on images in memory: one that repeats steps (`repeatSteps`), which reads all examples as they are
 * stored and does as many steps a run as it is given batches, or one of a single step, which is fed batch by batch. Both
 * give the same bits on a CPU; the first copies the state once a run.
 */
export async function openSteps(
  program: ProgramFile,
  state: Tensors,
  frozen: Tensors,
  source: StoredSource,
  options: SessionOptions,
): Promise<Steps> {
  const training = await openTraining(program, state, frozen, options);
  const repeats = program.metadata.data.some(({ name }) => name === 'indices');
  return {
    repeats,
    run: repeats
      ? (batches) => repeated(training, source, batches)
      : async (batches) => {
          const metrics: Metrics[] = [];
          for (const indices of batches) metrics.push(await training.step({ ...batchAt(source, indices) }));
          return metrics;
        },
    state: () => training.state(),
    close: () => training.close(),
  };
}

async function repeated(
  training: Training,
  { stored: { images, labels }, count, shape: { channels, height, width } }: StoredSource,
  batches: readonly ArrayLike<number>[],
): Promise<readonly Metrics[]> {
  const batch = batches[0]!.length;
  const indices = BigInt64Array.from(batches.flatMap((numbers) => Array.from(numbers, BigInt)));
  const metrics = await training.run({
    indices: { dtype: 'int64', shape: [batches.length, batch], data: indices },
    'all/image': { dtype: 'uint8', shape: [count, channels, height, width], data: images },
    'all/label': { dtype: 'int32', shape: [count], data: labels },
  });
  return batches.map((_, step) =>
    Object.fromEntries(Object.entries(metrics).map(([name, values]) => [name, values[step]!])),
  );
}
