import { describe, expect, it } from 'vitest';
import { whatIsFuller, type Planned } from '../../../src/runtime/experiment/fuller.ts';
import type { Evaluation } from '../../../src/runtime/index.ts';
import { evaluationOf } from '../../support/evaluations.ts';

const before = evaluationOf([{ mode: 'consecutive', eps: 0.16, c1: 0.1, c2: 0.3 }]);

/** A plan for the same again. */
const same: Planned = {
  cells: before.cells,
  images: before.data.images,
  attacks: before.attacks,
  curve: before.curves[0]!.points.map(({ eps }) => eps),
  curveImages: before.curves[0]!.images,
  matrixAttackers: before.matrix!.attackers.length,
};
const pgd = (change: Partial<Extract<Evaluation['attacks'][number], { attack: 'pgd' }>>) =>
  before.attacks.map((each) => (each.attack === 'pgd' ? { ...each, ...change } : each));

describe('an evaluation may be replaced', () => {
  it.each<readonly [by: string, planned: Partial<Planned>]>([
    ['the same again', {}],
    ['one on more images', { images: 20_000 }],
    ['one of more cells', { cells: [...same.cells, { folder: 'x', models: { c1: 'x', attacker: 'x' } }] }],
    ['one with more steps', { attacks: pgd({ steps: 100 }) }],
    ['one with another seed and step', { attacks: pgd({ seed: 9, stepSize: 0.1 }) }],
    ['one with a finer curve', { curve: [...same.curve, 0.01], curveImages: 2000 }],
  ])('by %s', (_, planned) => {
    expect(whatIsFuller(before, { ...same, ...planned })).toBeNull();
  });
});

describe('an evaluation holds more', () => {
  it.each<readonly [than: string, planned: Partial<Planned>, what: string]>([
    ['one on fewer images', { images: 10 }, '10000 images, not 10'],
    ['one without an attack', { attacks: same.attacks.slice(1) }, 'the attack noise'],
    ['one with fewer steps', { attacks: pgd({ steps: 5 }) }, '40 steps of PGD, not 5'],
    ['one with fewer restarts', { attacks: pgd({ restarts: 1 }) }, '2 restarts of PGD, not 1'],
    ['one without curves', { curve: [] }, 'accuracy at eps 0 in its curves'],
    ['one with curves on fewer images', { curveImages: 10 }, 'curves on 1000 images, not 10'],
    ['one without the matrix', { matrixAttackers: 0 }, 'a larger cross-attack matrix'],
    ['one of other models', { cells: [] }, 'consecutive-eps0.16-seed1 with other models'],
  ])('than %s', (_, planned, what) => {
    expect(whatIsFuller(before, { ...same, ...planned })).toBe(what);
  });
});
