import { quantizeWeights } from '../../builder/index.ts';
import { decodeProgram, encodeProgram } from '../../onnx/index.ts';
import { classifierGradientModel } from '../../models/classifier/gradient.ts';
import { bytesOf, storedBytes, type Catalogue, type StoredModel } from '../../server/index.ts';

/** The catalogue with what the demo needs besides: the gradient of each C1, and attackers that are small to fetch. */
export async function withDemoModels(catalogue: Catalogue): Promise<Catalogue> {
  const gradients = new Map<string, StoredModel>();
  const cells = [];
  for (const cell of catalogue.cells) {
    const { c1, attacker } = cell.models;
    // cells may share a classifier
    const gradient =
      gradients.get(c1.sha256) ?? storedBytes(classifierGradientModel(await bytesOf(c1), 'webgpu', 'gap'));
    gradients.set(c1.sha256, gradient);
    const attackerCompact = storedBytes(compact(await bytesOf(attacker)));
    cells.push({ ...cell, models: { ...cell.models, gradient, attackerCompact } });
  }
  return { ...catalogue, cells };
}

/** An attacker with a byte for a weight. */
export function compact(attacker: Uint8Array): Uint8Array {
  const program = decodeProgram(attacker);
  return encodeProgram({ ...program, graph: quantizeWeights(program.graph) });
}
