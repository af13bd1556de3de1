import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Program, type TrainStep } from '../../builder/index.ts';
import * as ortTraining from '../../ort-training/index.ts';
import { describeFsError, makeFolder, writeAtomic } from '../../runtime/files.ts';
import { InputError, type Tensors } from '../../runtime/index.ts';
import { under } from '../../runtime/tensor.ts';
import {
  decodeOrtCheckpoint,
  encodeOrtCheckpoint,
  type OrtCheckpoint,
} from '../../ort-training/checkpoint-file.ts';

const { files } = ortTraining;

/** The four files of onnxruntime's training API. */
export interface Artifacts extends ortTraining.Models {
  readonly checkpoint: Uint8Array;
}

/** What artifacts are made of. */
export interface ArtifactsSpec {
  readonly step: TrainStep;
  /** The same network measured, for the eval model. */
  readonly evaluation: Program;
  readonly learningRate: number;
  /** State of the training program of `step`: parameters, running statistics, Adam. */
  readonly state: Tensors;
  /** Weights of the networks that it reads and does not train. */
  readonly frozen: Tensors;
}

/** Models and checkpoint of one training step, checked against each other. */
export function artifactsFor({ step, evaluation, learningRate, state, frozen }: ArtifactsSpec): Artifacts {
  const { trainable, buffers } = step.parameters;
  const target = (step.frozen ?? []).flatMap((network) => [...network.trainable, ...network.buffers]);
  const pick = (variables: readonly { readonly name: string }[], from: Tensors) =>
    variables.map(({ name }) => [name, from.get(name)!] as const);
  const count = [...state.keys()].find((name) => name.startsWith('adam/step'));
  const taken = Number((count && state.get(count)?.data[0]) ?? 0);
  const moments = (kind: 'm' | 'v'): Tensors => (taken === 0 ? new Map() : under(`adam/${kind}/`, state));
  const checkpoint = encodeOrtCheckpoint({
    trainable: new Map(pick(trainable, state)),
    frozen: new Map([...pick(buffers, state), ...pick(target, frozen)]),
    optimizer: { step: taken, learningRate, first: moments('m'), second: moments('v') },
  });
  const artifacts = { ...ortTraining.modelsFor(step, evaluation), checkpoint };
  checkArtifacts(artifacts, '');
  return artifacts;
}

/**
 * Checks that four files belong together.
 *
 * @param folder what their names in an error begin with.
 * @throws InputError in one line.
 */
export function checkArtifacts(artifacts: Artifacts, folder: string): OrtCheckpoint {
  const checkpoint = decodeOrtCheckpoint(artifacts.checkpoint, join(folder, files.checkpoint));
  const { trainable, frozen, optimizer } = checkpoint;
  try {
    ortTraining.check(artifacts, { trainable, frozen, first: optimizer.first, second: optimizer.second });
  } catch (error) {
    throw new InputError(`${join(folder, (error as Error).message)}; export it again`, { cause: error });
  }
  return checkpoint;
}

/** Reads the four files of a folder. Throws InputError when one cannot be read. */
export async function readArtifacts(folder: string): Promise<Artifacts> {
  const read = async (name: string): Promise<Uint8Array> => {
    const path = join(folder, name);
    return await readFile(path).catch((error: unknown) => {
      throw new InputError(describeFsError(error, `cannot read ${path}`), { cause: error });
    });
  };
  return {
    training: await read(files.training),
    eval: await read(files.eval),
    optimizer: await read(files.optimizer),
    checkpoint: await read(files.checkpoint),
  };
}

/** Writes the four files into a new folder, all or nothing. */
export async function writeArtifacts(folder: string, artifacts: Artifacts): Promise<void> {
  await makeFolder(dirname(folder));
  await mkdir(folder).catch((error: unknown) => {
    throw new InputError(describeFsError(error, `cannot make the folder ${folder}`), { cause: error });
  });
  try {
    for (const [name, file] of Object.entries(files)) {
      await writeAtomic(join(folder, file), artifacts[name as keyof Artifacts]);
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
