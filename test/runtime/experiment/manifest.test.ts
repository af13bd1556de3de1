import { expect, it } from 'vitest';
import { upgradeManifest, type StoredManifest } from '../../../src/runtime/experiment/manifest.ts';

const scores = { clean: { accuracy: 1, loss: 0 }, noise: { accuracy: 1, loss: 0 } };
const file = { url: 'x', bytes: 1, sha256: 'x' };
/** As the first version wrote it. */
const old = {
  schema: 1,
  run: 'r',
  data: { name: 'mnist', testImages: 100 },
  cells: [
    {
      mode: 'consecutive',
      eps: 0.1,
      folder: 'cell',
      bound: 'tanh',
      clip: true,
      seed: 1,
      final: { c1: scores, c2: scores },
      models: { c1: file, c2: file, attacker: file, attackStep: file },
    },
  ],
} as unknown as StoredManifest;

it('reads a manifest without a card as one of the paper’s classifiers', () => {
  const { classifier, cells } = upgradeManifest(old);
  expect(classifier).toEqual({ image: { channels: 1, height: 28, width: 28 }, classes: 10, labels: null });
  expect(cells).toHaveLength(1);
});

it('takes no whole step of an attack for a gradient', () => {
  expect(upgradeManifest(old).cells[0]!.models.gradient).toBeUndefined();
});

it('keeps the card that a manifest has', () => {
  const classifier = { image: { channels: 3, height: 4, width: 5 }, classes: 7, labels: null };
  expect(upgradeManifest({ ...old, classifier }).classifier).toEqual(classifier);
});
