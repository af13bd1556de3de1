import {
  bind,
  constant,
  encode,
  encodeProgram,
  lower,
  readback,
  type Program,
  type Target,
} from '../builder/index.ts';
import {
  alternatingTrain,
  attackerInfer,
  attackerTrain,
  classifierInfer,
  classifierTrain,
} from '../models/programs.ts';
import type { CellConfig, Programs, Tensors } from '../runtime/index.ts';

/** The programs of a cell, built for its configuration and lowered for its device. */
export function programsFor(config: CellConfig): Programs {
  const target: Target = config.device;
  const file = (program: Program) => ({
    bytes: encodeProgram({ ...program, graph: lower(program.graph, target) }),
    metadata: program.metadata,
    ...(config.device === 'webgpu' && { readback: encode(readback(program)) }),
  });
  const standalone =
    ({ graph, metadata }: Program, form: Target) =>
    (weights: Tensors) => {
      const values = metadata.frozen.map(({ name }) => [name, constant(weights.get(name)!, name)] as const);
      const bound = lower(bind(graph, new Map(values)), form);
      return encodeProgram({ graph: bound, metadata: { ...metadata, frozen: [] } });
    };
  return {
    classifierTrain: file(classifierTrain(config)),
    attackerTrain: file(config.mode === 'consecutive' ? attackerTrain(config) : alternatingTrain(config)),
    // The classifier is written as others would write it. The attacker's convolutions are faster as products.
    classifierModel: standalone(classifierInfer(), 'plain'),
    attackerModel: standalone(attackerInfer(config), 'cpu'),
  };
}
