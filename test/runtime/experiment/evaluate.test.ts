import { describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import * as onnx from '../../../src/onnx/index.ts';
import { classifierGradientModel } from '../../../src/models/classifier/gradient.ts';
import type { LossName } from '../../../src/runtime/attacks/index.ts';
import { gradientEnds } from '../../../src/models/classifier/ports.ts';
import type { Cell } from '../../../src/runtime/experiment/cells.ts';
import { noJournal } from '../../../src/runtime/experiment/journal.ts';
import { checkCells, evaluateCells } from '../../../src/runtime/experiment/evaluate.ts';
import { stream } from '../../../src/runtime/index.ts';
import { modelOf, pixels } from '../../support/classifiers.ts';
import { between, drawn } from '../../support/run.ts';
import { examples, sourceOf } from '../../support/idx.ts';

const count = 20;
const split = sourceOf(examples(count));
const weight = b.constant(
  drawn('float32', [pixels, 10], between(stream(6, 'evaluation', 'weight'), -0.1, 0.1)),
);
const linear = (image: b.Value): b.Value => b.matmul(b.reshape(image, [-1, pixels]), weight);

const smooth = modelOf('logits', linear);
const threshold = modelOf('logits', (image) => linear(b.cast(b.greater(image, 0.5), 'float32')));
const constant = modelOf('logits', (image) => b.mul(linear(image), 0));
// pixels below -0.05 have no root
const rooted = modelOf('logits', (image) => linear(b.sqrt(b.add(image, 0.05))));

function cellOf(folder: string, c1: Uint8Array, c2: Uint8Array | null = null): Cell {
  const models = { c1, c2: c2 ?? c1, attacker: smooth };
  const hash = (bytes: Uint8Array): string =>
    `${[smooth, threshold, constant, rooted].indexOf(bytes)}`.padEnd(64, '0');
  return {
    folder,
    mode: 'consecutive',
    eps: 0.3,
    seed: 1,
    bound: 'tanh',
    clip: false,
    architecture: 'paper',
    hasTransfer: c2 !== null,
    models: { c1: hash(models.c1), c2: hash(models.c2), attacker: hash(smooth) },
    load: (name) => Promise.resolve(models[name]),
  };
}

const options = {
  device: 'cpu' as const,
  threads: 1,
  makeGradient: (classifier: Uint8Array, loss: LossName) => classifierGradientModel(classifier, 'cpu', loss),
  gradientEnds: (classifier: Uint8Array) => gradientEnds(onnx.decode(classifier).graph),
};

describe('the checks before the first attack', () => {
  it('name every cell whose C1 has a gradient that is zero by construction', async () => {
    const cells = [cellOf('a', threshold), cellOf('b', smooth), cellOf('c', threshold)];
    const warnings = await checkCells(cells, split, options);
    expect(warnings.map(({ check, folder, classifier }) => [check, folder, classifier])).toEqual([
      ['zero-gradient', 'a', 'c1'],
      ['zero-gradient', 'c', 'c1'],
    ]);
    expect(warnings[0]!.message).toContain('it ends at Greater');
  });

  it('ask C2 for its answers alone, where there is a C2', async () => {
    expect(await checkCells([cellOf('a', smooth, threshold)], split, options)).toEqual([]);
    const warnings = await checkCells([cellOf('a', smooth, constant)], split, options);
    expect(warnings).toMatchObject([{ check: 'constant-answers', folder: 'a', classifier: 'c2' }]);
  });
});

it('answers that are no numbers under an attack are counted, and those to clean images are not', async () => {
  const work = evaluateCells([cellOf('a', rooted)], split, {
    ...options,
    journal: noJournal,
    attacks: [
      { attack: 'noise', seed: 1 },
      { attack: 'fgsm', loss: 'cross-entropy', steps: 1, stepSize: 1 },
    ],
    curve: [],
    curveImages: count,
    doublingImages: 0,
  });
  let next = await work.next();
  while (!next.done) next = await work.next();
  const { c1, c2 } = next.value.cells[0]!;
  expect(c2).toBeUndefined();
  expect(c1.clean).not.toHaveProperty('notNumbers');
  for (const measure of [c1.attacks.noise!, c1.attacks.fgsm!, c1.worst]) {
    expect(measure).toMatchObject({ accuracy: 0, notNumbers: count });
    expect(measure).not.toHaveProperty('loss');
  }
});
