import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { valuesOf, type StoredSource } from '../../runtime/data/source.ts';
import { InputError } from '../../runtime/errors.ts';
import { loadDigits } from '../../runtime/experiment/digits.ts';
import type { TrainedModels } from '../../runtime/experiment/scores.ts';
import type { Perturbations } from '../../report/paper/index.ts';
import type { Intensity, Perturbed } from '../../report/paper/perturbations.ts';
import { trainingName, type Cell } from '../../report/paper/results.ts';
import { openModel, type SessionOptions } from '../../runtime/session.ts';

/**
 * Two test digits under the attackers of some cells, one an eps: those of the first training that there is, with the lowest
 * seed.
 *
 * @param cells of one threat model, at least one; their models are looked for beside the file that they came from.
 *   Those of the first training come first.
 * @param data where the data set is now, if it was moved.
 * @throws InputError when a model is not the one that was measured.
 */
export async function perturbations(cells: readonly Cell[], data?: string): Promise<Perturbations> {
  const first = trainingName(cells[0]!);
  const own = cells.filter((cell) => trainingName(cell) === first);
  const seed = Math.min(...own.map((cell) => cell.seed));
  const chosen = own.filter((cell) => cell.seed === seed);
  const found = (await Promise.all(chosen.map(findModels))).filter((each) => each !== null);
  if (found.length === 0) return { intensities: [], missing: ['the models are not beside the results'] };
  const { sha256 } = chosen[0]!.config.data;
  const source = data ?? chosen[0]!.config.data.source;
  const dataset = await loadDigits(source).catch(() => null);
  if (dataset?.sha256 !== sha256) return { intensities: [], missing: [`the data set ${source} is not here`] };
  const digits = twoDigits(dataset.test);
  const intensities: Intensity[] = [];
  for (const { cell, c1, attacker } of found.sort((a, b) => a.cell.eps - b.cell.eps)) {
    const models = {
      c1: await readModel(cell, 'c1', c1),
      attacker: await readModel(cell, 'attacker', attacker),
    };
    // one intensity has nothing to be compared with, and samples.png shows it
    if (found.length === 1) break;
    // One thread of the CPU: the same picture on the same machine, whatever the run's device was.
    const options = { device: 'cpu', threads: 1 } as const;
    intensities.push({ eps: cell.eps, digits: await perturb(dataset.test, digits, models, options) });
  }
  return { intensities, missing: [] };
}

/** Where the models of a cell are; null when they are not. */
async function findModels(cell: Cell) {
  const folder = join(dirname(cell.source), cell.folder);
  const paths = { c1: join(folder, 'classifier-c1.onnx'), attacker: join(folder, 'attacker.onnx') };
  const there = await Promise.all([paths.c1, paths.attacker].map((path) => stat(path).catch(() => null)));
  return there.every((file) => file?.isFile()) ? { cell, ...paths } : null;
}

async function readModel(cell: Cell, name: 'c1' | 'attacker', path: string): Promise<Uint8Array> {
  const bytes = await readFile(path);
  if (createHash('sha256').update(bytes).digest('hex') === cell.models[name]) return bytes;
  throw new InputError(`${path}: is not the model that ${cell.source} is about; restore the original file`);
}

/**
 * What an attacker adds to some test images, and what its C1 says then (paper, figure 2).
 *
 * @param indices which images, by their place in `test`.
 * @returns one a digit, in the order of `indices`.
 */
export async function perturb(
  test: StoredSource,
  indices: readonly number[],
  models: Pick<Required<TrainedModels>, 'c1' | 'attacker'>,
  options: SessionOptions,
): Promise<readonly Perturbed[]> {
  const { image } = await test.read(indices);
  const attacker = await openModel(models.attacker, options);
  const classifier = await openModel(models.c1, options);
  try {
    const { perturbation, attacked } = await attacker.run({ image });
    const { logits } = await classifier.run({ image: attacked! });
    const part = (data: unknown, i: number, length: number): Float32Array =>
      (data as Float32Array).slice(i * length, (i + 1) * length);
    const pixels = valuesOf(test.shape);
    return indices.map((index, i) => {
      const row = part(logits!.data, i, test.classes.length);
      return {
        label: test.stored.labels[index]!,
        image: part(image.data, i, pixels),
        perturbation: part(perturbation!.data, i, pixels),
        attacked: part(attacked!.data, i, pixels),
        says: row.indexOf(Math.max(...row)),
      };
    });
  } finally {
    await attacker.close();
    await classifier.close();
  }
}

/** The first test image, and the first of another class: any two digits would do. */
export function twoDigits({ stored: { labels } }: StoredSource): readonly number[] {
  const other = labels.findIndex((label) => label !== labels[0]);
  return other === -1 ? [0] : [0, other];
}
