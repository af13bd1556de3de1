import { showType, type Type } from '../builder/ir.ts';
import { interfaceOf, type Interface } from './interface.ts';
import type { Models } from './models.ts';
import { bufferOf, optimizerInputs, resetFlag, writtenOf } from './names.ts';

/** The tensors of a checkpoint, by name. */
export interface CheckpointTypes {
  readonly trainable: ReadonlyMap<string, Type>;
  readonly frozen: ReadonlyMap<string, Type>;
  /** Adam's moments by parameter; empty before the first step. */
  readonly first: ReadonlyMap<string, Type>;
  readonly second: ReadonlyMap<string, Type>;
}

/** File names, as generate_artifacts gives them. */
export const files = {
  training: 'training_model.onnx',
  eval: 'eval_model.onnx',
  optimizer: 'optimizer_model.onnx',
  checkpoint: 'checkpoint',
} as const;

/**
 * Checks that models and checkpoint belong together, as the training API needs them: it takes an input whose name it
 * does not know for one that the caller feeds, and then fails much later, or trains something else.
 *
 * @throws Error in one line that names the file, the tensor and what it should be.
 */
export function check(models: Models, checkpoint: CheckpointTypes): void {
  const [training, evaluation, optimizer] = (['training', 'eval', 'optimizer'] as const).map((name) =>
    open(files[name], models[name]),
  ) as [Interface, Interface, Interface];
  const data = training.description?.data;
  if (!data) throw new Error(`${files.training}: was not exported by sparring`);

  const { trainable, frozen } = checkpoint;
  const parameters = new Map([...trainable, ...frozen]);
  for (const [name, type] of parameters) {
    sameType(files.training, name, training.inputs.get(name), type, 'which the checkpoint holds');
    sameType(files.eval, name, evaluation.inputs.get(name), type, 'which the checkpoint holds');
  }
  for (const [name, type] of trainable) {
    sameType(
      files.training,
      bufferOf(name),
      training.inputs.get(bufferOf(name)),
      type,
      `the buffer of ${name}`,
    );
    if (!training.outputs.includes(writtenOf(name)))
      throw new Error(`${files.training}: has no output ${writtenOf(name)}: ${name} would not be trained`);
  }
  const buffers = [...trainable.keys()].map(bufferOf);
  const known = new Set([...data, ...parameters.keys(), ...buffers, resetFlag]);
  for (const name of training.inputs.keys()) {
    if (!known.has(name))
      throw new Error(`${files.checkpoint}: has no tensor ${name}, which ${files.training} reads`);
  }
  if (!training.inputs.has(resetFlag)) throw new Error(`${files.training}: has no input ${resetFlag}`);
  sameOrder(training, evaluation, parameters);

  if ([...optimizer.inputs.keys()].join() !== optimizerInputs.join()) {
    throw new Error(
      `${files.optimizer}: has the inputs ${[...optimizer.inputs.keys()].join(', ')}, expected ${optimizerInputs.join(', ')}`,
    );
  }
  if (optimizer.ownOperators.join() !== 'AdamWOptimizer')
    throw new Error(`${files.optimizer}: is not one AdamWOptimizer`);
  checkMoments(checkpoint);
}

function open(file: string, bytes: Uint8Array): Interface {
  try {
    return interfaceOf(bytes);
  } catch (cause) {
    throw new Error(`${file}: ${(cause as Error).message.replace(/^decode: /, '')}`, { cause });
  }
}

function sameType(file: string, name: string, found: string | undefined, type: Type, what: string): void {
  if (found === undefined) throw new Error(`${file}: has no input ${name}, ${what}`);
  if (found !== showType(type))
    throw new Error(`${file}: input ${name} is ${found}, but ${files.checkpoint} has ${showType(type)}`);
}

/** The API keeps one list of weights, in the training model's order, and feeds it to both. */
function sameOrder(training: Interface, evaluation: Interface, parameters: ReadonlyMap<string, Type>): void {
  const inOrder = ({ inputs }: Interface) => [...inputs.keys()].filter((name) => parameters.has(name));
  const expected = inOrder(training);
  const at = inOrder(evaluation).findIndex((name, i) => name !== expected[i]);
  if (at >= 0)
    throw new Error(
      `${files.eval}: weight ${at + 1} is ${inOrder(evaluation)[at]}, in ${files.training} it is ${expected[at]}`,
    );
}

function checkMoments({ trainable, first, second }: CheckpointTypes): void {
  if (first.size === 0 && second.size === 0) return;
  for (const [name, type] of trainable) {
    for (const moments of [first, second]) {
      const moment = moments.get(name);
      if (!moment) throw new Error(`${files.checkpoint}: has optimizer state, but none of ${name}`);
      if (showType(moment) !== showType(type))
        throw new Error(
          `${files.checkpoint}: a moment of ${name} is ${showType(moment)}, expected ${showType(type)}`,
        );
    }
  }
  const stray = [...first.keys()].find((name) => !trainable.has(name));
  if (stray) throw new Error(`${files.checkpoint}: has optimizer state of ${stray}, which is not trained`);
}
