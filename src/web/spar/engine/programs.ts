import { lower, type Program, type Target } from '../../../builder/index.ts';
import {
  alternatingTrain,
  attackerEval,
  attackerTrain,
  classifierEval,
  classifierTrain,
} from '../../../models/programs.ts';
import { encodeProgram } from '../../../onnx/index.ts';
import type { ProgramFile } from '../../../runtime/session.ts';
import type { SparSettings } from '../settings.ts';

/** Of the classifiers, before A begins. */
const schoolRate = 2e-3;

/**
 * The programs of the arena as files for a backend. Those that depend on settings are made when they are asked for.
 *
 * @param batchSize digits of a step.
 */
export function sparPrograms(target: Target, batchSize: number) {
  const file = (program: Program): ProgramFile => ({
    bytes: encodeProgram({ ...program, graph: lower(program.graph, target) }),
    metadata: program.metadata,
  });
  const threat = ({ eps }: SparSettings) => ({ eps, bound: 'tanh', clip: true }) as const;
  return {
    school: file(classifierTrain({ batchSize, learningRate: schoolRate })),
    classifier: file(classifierEval()),
    spar: (settings: SparSettings): ProgramFile => {
      const { mode, learningRate, width } = settings;
      const options = { batchSize, learningRate, width, ...threat(settings) };
      return file(mode === 'consecutive' ? attackerTrain(options) : alternatingTrain(options));
    },
    attacker: (settings: SparSettings): ProgramFile =>
      file(attackerEval({ ...threat(settings), width: settings.width })),
  };
}
