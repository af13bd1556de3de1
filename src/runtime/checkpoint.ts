import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { InputError } from './errors.ts';
import { describeFsError, writeAtomic } from './files.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';
import { prefixed, under, type Tensors } from './tensor.ts';

const Scores = z.strictObject({ accuracy: z.number(), loss: z.number() });
const ClassifierScores = z.strictObject({ clean: Scores, noise: Scores, attacked: Scores.optional() });
const Means = z.strictObject({ loss: z.number(), accuracy: z.number() });

/** What one epoch of a phase gave: means over its training batches, and scores on the test set after it. */
const EpochRecord = z.strictObject({
  phase: z.enum(['classifier', 'attacker']),
  epoch: z.int().positive(),
  /** By network trained in this epoch. */
  train: z.partialRecord(z.enum(['c1', 'c2', 'attacker']), Means),
  c1: ClassifierScores,
  c2: ClassifierScores,
});
export type EpochRecord = Readonly<z.infer<typeof EpochRecord>>;

/** Sums over the batches of an unfinished epoch. */
const Running = z.strictObject({ steps: z.int().nonnegative(), loss: z.number(), accuracy: z.number() });
export type Running = Readonly<z.infer<typeof Running>>;

const networks = ['c1', 'c2', 'attacker'] as const;
export type Network = (typeof networks)[number];

/** How far a run has come: the finished epochs, and the networks of the unfinished one with their batches so far. */
const Position = z.strictObject({
  records: z.array(EpochRecord),
  running: z.partialRecord(z.enum(networks), Running),
});
export type Position = Readonly<z.infer<typeof Position>>;

/** A run at one moment; with the same data it continues to the same bits. */
export interface Checkpoint {
  readonly position: Position;
  /** State of each network's training program that has begun: parameters, running statistics, Adam's moments. */
  readonly states: ReadonlyMap<Network, Tensors>;
}

const format = 'sparring-checkpoint-1';

/** Writes a checkpoint as one safetensors file, atomically: the old one stays until the new one is whole. */
export async function saveCheckpoint(
  path: string,
  checkpoint: Checkpoint,
  configHash: string,
): Promise<void> {
  const tensors = new Map(
    [...checkpoint.states].flatMap(([network, state]) => [...prefixed(`${network}:`, state)]),
  );
  await makeFolder(dirname(path));
  await writeAtomic(
    path,
    encodeSafetensors(tensors, { format, config: configHash, position: JSON.stringify(checkpoint.position) }),
  );
}

/**
 * Reads a checkpoint; null when there is none yet.
 *
 * @throws InputError when the file is corrupt, is no checkpoint of this program, or belongs to another configuration.
 */
export async function loadCheckpoint(path: string, configHash: string): Promise<Checkpoint | null> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new InputError(describeFsError(error, `cannot read ${path}`));
  });
  if (bytes === null) return null;
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata['format'] !== format) {
    throw new InputError(
      `${path}: is not a checkpoint of sparring (format ${metadata['format'] ?? 'none'}); remove it to start again`,
    );
  }
  if (metadata['config'] !== configHash) {
    throw new InputError(
      `${path}: belongs to a run with another config.json; put back the one it was made with`,
    );
  }
  const position = parsePosition(metadata['position'] ?? '');
  if (!position) throw new InputError(`${path}: its position is corrupt; remove it to start again`);
  const states = networks.map((network) => [network, under(`${network}:`, tensors)] as const);
  const begun = new Map(states.filter(([, state]) => state.size > 0));
  const missing = networks.find((network) => hasBegun(network, position) && !begun.has(network));
  if (missing) throw new InputError(`${path}: has no state of ${missing}; remove it to start again`);
  return { position, states: begun };
}

const hasBegun = (network: Network, { records, running }: Position): boolean =>
  network in running || records.some(({ train }) => network in train);

function parsePosition(text: string): Position | null {
  try {
    return Position.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Makes a folder and its parents. Throws one line that names it. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw new Error(describeFsError(error, `cannot make the folder ${path}`), { cause: error });
  }
}
