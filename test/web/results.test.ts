import { describe, expect, it } from 'vitest';
import { toBase64, type FirstResult } from '../../src/runtime/experiment/demo-data.ts';
import type { Manifest } from '../../src/runtime/experiment/manifest.ts';
import type { Choice } from '../../src/web/choice.ts';
import { lineUp, seriesOf } from '../../src/web/lineup.ts';
import { isAnswer, isEmpty, isShipped, sameAttack, shippedResults } from '../../src/web/results.ts';

const scores = { clean: { accuracy: 1, loss: 0 }, noise: { accuracy: 1, loss: 0 } };
const file = (sha256: string) => ({ url: sha256, bytes: 1, sha256 });
const manifest: Manifest = {
  schema: 1,
  run: 'r',
  data: { name: 'mnist', testImages: 100 },
  classifier: { image: { channels: 1, height: 28, width: 28 }, classes: 10, labels: null },
  cells: [
    {
      mode: 'consecutive',
      eps: 0.25,
      folder: 'cell',
      bound: 'tanh',
      clip: true,
      seed: 1,
      final: { c1: scores, c2: scores },
      models: { c1: file('C1'), c2: file('C2'), attacker: file('A'), attackerCompact: file('A8') },
    },
  ],
};
const pixels = Float32Array.of(0, 0.5, 1, 0.875);
const choice: Choice = {
  source: { kind: 'digit', index: 4 },
  pixels,
  label: 1,
  method: 'generator',
  aim: null,
  eps: 0.25,
  clip: true,
  bits: null,
  weights: 'compact',
  series: seriesOf(manifest)[0]!.id,
  backend: null,
};
const first: FirstResult = {
  folder: 'cell',
  index: 4,
  attacker: 'A8',
  perturbation: toBase64(new Uint8Array(Float32Array.of(0.25, -0.25, 0.25, 0.125).buffer)),
  predictions: {
    C1: { before: [0, 1], after: [1, 0] },
    C2: { before: [0.25, 0.75], after: [0.5, 0.5] },
  },
};
const shipped = (change: Partial<Choice> = {}, own: FirstResult | null = first) => {
  const chosen = { ...choice, ...change };
  return shippedResults(own, chosen, lineUp(manifest, chosen));
};

describe('the result that comes with the page', () => {
  it('is shown for the picture and the settings that it was computed for', () => {
    const results = shipped()!;
    expect([...results.outcomes.generator!.attacked]).toEqual([0.25, 0.25, 1, 1]);
    expect(results.outcomes.generator!.linf).toBe(0.25);
    expect(results.clean).toEqual({
      label: 1,
      predictions: { c1: Float32Array.of(0, 1), c2: Float32Array.of(0.25, 0.75) },
    });
    expect(isShipped(results)).toBe(true);
    expect([isAnswer(results, 'generator'), isAnswer(results, 'fgsm')]).toEqual([true, false]);
  });

  it.each<[string, Partial<Choice>]>([
    ['another image', { source: { kind: 'digit', index: 5 } }],
    ['a drawing', { source: { kind: 'own', name: 'drawing' } }],
    ['another eps', { eps: 0.1 }],
    ['a class that is aimed at', { aim: 3 }],
    ['unclipped images', { clip: false }],
    ['8-bit pixels', { bits: 8 }],
    ['the full weights', { weights: 'full' }],
    ['an unknown label', { label: null }],
  ])('is not shown for %s', (_, change) => {
    expect(shipped(change)).toBeNull();
  });

  it('is not shown where a classifier of the page is missing in it', () => {
    expect(shipped({}, { ...first, predictions: { C1: first.predictions['C1']! } })).toBeNull();
    expect(shipped({}, null)).toBeNull();
  });
});

describe('an attack', () => {
  it('is the same whatever is looked at, and another for another picture', () => {
    expect(sameAttack(choice, { ...choice, method: 'pgd', backend: 'wasm' })).toBe(true);
    expect(sameAttack(choice, { ...choice, pixels: Float32Array.of(0, 0.5, 1, 1) })).toBe(false);
    expect(sameAttack(choice, { ...choice, eps: 0.1 })).toBe(false);
    expect(sameAttack(choice, { ...choice, aim: 3 })).toBe(false);
  });

  it('needs something on the picture', () => {
    expect(isEmpty(new Float32Array(784))).toBe(true);
    expect(isEmpty(Float32Array.of(0, 1 / 255))).toBe(false);
  });
});
