import { z } from 'zod';
import { Confusions, Network, type EpochRecord } from './records.ts';
import { InputError } from '../errors.ts';
import { prefixed, under, type Tensors } from '../tensor.ts';
import { readCheckpoint, writeCheckpoint, type CheckpointKind } from '../training/checkpoint-file.ts';
import type { Running as Sums } from '../training/trainer.ts';

const Running: z.ZodType<Sums> = z.strictObject({
  steps: z.int().nonnegative(),
  loss: z.number(),
  accuracy: z.number(),
});

/** How far a training has come: the finished epochs, and the networks of the unfinished one with their batches so far. */
export interface Position<R = EpochRecord> {
  readonly records: readonly R[];
  readonly running: Readonly<Partial<Record<Network, Sums>>>;
}

/** A training at one moment; with the same data it continues to the same bits. Its records are a cell's, or classifiers'. */
export interface Checkpoint<R = EpochRecord> {
  readonly position: Position<R>;
  /** State of each network's training program that has begun: parameters, running statistics, Adam's moments. */
  readonly states: ReadonlyMap<Network, Tensors>;
  /** Which classes were answered after the last epoch that had an attacker; absent before there is one. */
  readonly confusions?: Confusions;
}

/** What is said of a file in a run that cannot be used. */
export const ofRun: Pick<CheckpointKind<unknown>, 'foreign' | 'other'> = {
  foreign: (format) => `is not a checkpoint of sparring (format ${format}); remove it to start again`,
  other: 'belongs to a run with another config.json; restore the original config.json',
};

const kindOf = <R>(record: z.ZodType<R>): CheckpointKind<Position<R>> => ({
  ...ofRun,
  format: 'sparring-checkpoint-1',
  position: z.strictObject({
    records: z.array(record),
    running: z.partialRecord(Network, Running),
  }),
});

/** Writes a checkpoint as one safetensors file, atomically: the old one stays until the new one is whole. */
export const saveCheckpoint = (
  path: string,
  { states, position, confusions }: Checkpoint<unknown>,
  configHash: string,
): Promise<void> =>
  writeCheckpoint(
    path,
    kindOf(z.unknown()),
    {
      tensors: new Map([...states].flatMap(([network, state]) => [...prefixed(`${network}:`, state)])),
      position,
      // beside the position, whose schema allows no further field: older versions still read the checkpoint
      notes: confusions ? { confusions: JSON.stringify(confusions) } : {},
    },
    configHash,
  );

/**
 * Reads a checkpoint; null when there is none yet.
 *
 * @param record what its records are: {@link EpochRecord} or {@link ClassifierRecord}.
 * @throws InputError when the file is corrupt, is no checkpoint of this program, or belongs to another configuration.
 */
export async function loadCheckpoint<R extends Pick<EpochRecord, 'train'>>(
  path: string,
  configHash: string,
  record: z.ZodType<R>,
): Promise<Checkpoint<R> | null> {
  const found = await readCheckpoint(path, kindOf(record), configHash);
  if (!found) return null;
  const { tensors, position, notes } = found;
  const names = new Set([...tensors.keys()].map((name) => name.split(':', 1)[0]! as Network));
  const begun = new Map([...names].map((network) => [network, under(`${network}:`, tensors)]));
  const missing = trainedIn(position).find((network) => !begun.has(network));
  if (missing) throw new InputError(`${path}: has no state of ${missing}; remove it to start again`);
  const { confusions } = notes;
  if (confusions === undefined) return { position, states: begun };
  try {
    return { position, states: begun, confusions: Confusions.parse(JSON.parse(confusions)) };
  } catch {
    throw new InputError(`${path}: its confusion matrices are corrupt; remove it to start again`);
  }
}

const trainedIn = ({ records, running }: Position<Pick<EpochRecord, 'train'>>): readonly Network[] =>
  [running, ...records.map(({ train }) => train)].flatMap((of) => Object.keys(of) as Network[]);
