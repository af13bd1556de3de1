import { asTheyAre, lower, repeatSteps, bindWeights, type Graph } from '../../builder/index.ts';
import {
  attackerTraining,
  attackerUse,
  type AttackerPlan,
  type AttackerTraining,
} from '../../models/attackers.ts';
import { encode, encodeProgram } from '../../onnx/index.ts';
import { attackerMetadata, type AttackerCard } from '../../runtime/attacker/card.ts';
import type { ProgramFile, Tensors } from '../../runtime/index.ts';

/** The program that trains an attacker, a step for each batch of the images that it is given. */
export function trainingProgram(
  plan: AttackerPlan,
  training: AttackerTraining,
  against: readonly Graph[],
  target: 'cpu' | 'cuda',
): ProgramFile {
  const program = attackerTraining(plan, training, against);
  const step = { ...program, graph: lower(program.graph, target) };
  const rows = Object.fromEntries(program.metadata.data.map((port) => [port.name, asTheyAre(port)]));
  const repeated = repeatSteps(step, rows);
  return { bytes: encodeProgram(repeated), metadata: repeated.metadata };
}

/** A trained attacker as a file, for any ONNX Runtime; what it is stands in the file. */
export function attackerFile(plan: AttackerPlan, state: Tensors, card: AttackerCard): Uint8Array {
  const { graph } = bindWeights(attackerUse(plan), state);
  return encode(lower(graph, 'cpu'), { [attackerMetadata]: JSON.stringify(card) });
}
