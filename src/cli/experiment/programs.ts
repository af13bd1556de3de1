import { lower, readback, bindWeights, type Program, type Target } from '../../builder/index.ts';
import { encode, encodeProgram } from '../../onnx/index.ts';
import {
  alternatingTrain,
  attackerInfer,
  attackerTrain,
  classifierInfer,
  classifierTrain,
  hardenedTrain,
  onStored,
} from '../../models/programs.ts';
import { givenModel } from '../../models/classifier/given.ts';
import { classifierGradientModel } from '../../models/classifier/gradient.ts';
import type { LossName } from '../../runtime/attacks/index.ts';
import type { CellConfig, ProgramFile, Programs, Tensors } from '../../runtime/index.ts';
import type { Given } from '../classifier.ts';

/** The programs of a cell, built for its configuration and lowered for its device. */
export function programsFor(config: CellConfig, given: Given | null = null): Programs {
  const target: Target = config.device;
  // A Loop keeps the state where it runs; WebGPU has none, but its state stays in GPU buffers from step to step.
  const file = (program: Program): ProgramFile => {
    const step = { ...program, graph: lower(program.graph, target) };
    if (target === 'webgpu') {
      return { bytes: encodeProgram(step), metadata: step.metadata, readback: encode(readback(program)) };
    }
    const repeated = onStored(step);
    return { bytes: encodeProgram(repeated), metadata: repeated.metadata };
  };
  const standalone = (program: Program, form: Target) => (weights: Tensors) => {
    const { graph, metadata } = bindWeights(program, weights);
    return encodeProgram({ graph: lower(graph, form), metadata });
  };
  return {
    classifierTrain: file(classifierTrain(config)),
    attackerTrain: file(
      config.mode === 'alternating'
        ? alternatingTrain(config)
        : attackerTrain(config, given?.c1.classifier.graph),
    ),
    ...(config.defence && {
      hardening: {
        train: file(
          hardenedTrain({ ...config, defence: { ...config.defence, norm: 'linf', clip: config.clip } }),
        ),
        makeGradient: (classifier: Uint8Array, loss: LossName) =>
          classifierGradientModel(classifier, target, loss),
      },
    }),
    // The classifier is written as others would write it. The attacker's convolutions are faster as products.
    classifierModel: standalone(classifierInfer(config.architecture, undefined, config), 'plain'),
    attackerModel: standalone(attackerInfer(config), 'cpu'),
    ...(given && {
      given: { c1: givenModel(given.c1.classifier.graph), c2: givenModel(given.c2.classifier.graph) },
    }),
  };
}
