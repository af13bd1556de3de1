import { describe, expect, it } from 'vitest';
import { warningsOf } from '../../../src/runtime/experiment/checks.ts';
import type { Curve, Doubling, MeasuredCell } from '../../../src/runtime/experiment/evaluation.ts';
import type { AttackName, Measure } from '../../../src/runtime/audit/schema.ts';
import { wilson } from '../../../src/runtime/audit/wilson.ts';

const images = 1000;
const measure = (accuracy: number): Measure => ({
  accuracy,
  interval: wilson(Math.round(accuracy * images), images),
  loss: 1,
});

type Left = Partial<Record<AttackName, number>>;
const sound = {
  c1: { noise: 0.98, fgsm: 0.7, pgd: 0.4, attacker: 0.6 },
  c2: { noise: 0.98, fgsm: 0.9, pgd: 0.8, attacker: 0.85 },
};

function cell(eps: number, { c1 = {}, c2 = {} }: { c1?: Left; c2?: Left }): MeasuredCell {
  const side = (left: Left, knowledge: 'white-box' | 'transfer') => ({
    knowledge,
    clean: measure(0.99),
    attacks: Object.fromEntries(Object.entries(left).map(([name, value]) => [name, measure(value)])),
    worst: measure(0.1),
  });
  const hash = '0'.repeat(64);
  return {
    folder: 'cell',
    mode: 'consecutive',
    eps,
    seed: 1,
    bound: 'tanh',
    clip: true,
    models: { c1: hash, c2: hash, attacker: hash },
    c1: side({ ...sound.c1, ...c1 }, 'white-box'),
    c2: side({ ...sound.c2, ...c2 }, 'transfer'),
  };
}

const curveOf = (points: readonly (readonly [eps: number, accuracy: number])[]): Curve => ({
  folder: 'cell',
  classifier: 'c1',
  model: '0'.repeat(64),
  knowledge: 'white-box',
  attack: 'pgd',
  clip: true,
  images,
  points: points.map(([eps, accuracy]) => ({ eps, ...measure(accuracy) })),
});

const doubling = (accuracy: number, doubled: number): Doubling => ({
  folder: 'cell',
  images: 500,
  steps: 40,
  accuracy,
  doubled,
});

describe('a sound evaluation', () => {
  it('has no warnings', () => {
    const curve = curveOf([
      [0.1, 0.5],
      [0.5, 0.08],
    ]);
    expect(warningsOf([cell(0.1, {})], [curve], [doubling(0.4, 0.395)], 10)).toEqual([]);
  });
});

describe('a warning', () => {
  it.each<readonly [check: string, cell: MeasuredCell, says: string]>([
    ['fgsm-below-pgd', cell(0.1, { c1: { fgsm: 0.39 } }), 'FGSM leaves 39.0 %, PGD more: 40.0 %'],
    ['attacker-below-pgd', cell(0.1, { c1: { attacker: 0.3 } }), 'the attacker leaves 30.0 %'],
    [
      'attack-above-noise',
      cell(0.1, { c1: { attacker: 0.985 }, c2: { attacker: 0.99 } }),
      'noise less: 98.0 %',
    ],
    ['above-chance-at-large-eps', cell(0.5, {}), 'PGD leaves 40.0 % at eps 0.5, more than guessing'],
    ['transfer-below-white-box', cell(0.1, { c2: { pgd: 0.3 } }), 'pgd made for C1 leaves 30.0 % of C2'],
  ])('%s', (check, broken, says) => {
    const warnings = warningsOf([broken], [], [], 10);
    expect(warnings.map((warning) => warning.check)).toEqual([check]);
    expect(warnings[0]!.message).toContain(says);
  });

  it('expects no more of a C2 that is not hardened than of a C1 that is', () => {
    const broken = cell(0.1, { c2: { pgd: 0.3 } });
    expect(warningsOf([{ ...broken, mode: 'hardened' }], [], [], 10)).toEqual([]);
  });

  it('says what is more than guessing by the number of classes', () => {
    const curve = curveOf([[0.5, 0.4]]);
    const checks = (classes: number) => warningsOf([], [curve], [], classes).map(({ check }) => check);
    expect([checks(2), checks(10)]).toEqual([[], ['above-chance-at-large-eps']]);
  });

  it('says which curve rises, and which is not at chance in the end', () => {
    const curve = curveOf([
      [0.1, 0.2],
      [0.2, 0.3],
      [0.5, 0.15],
    ]);
    expect(warningsOf([], [curve], [], 10).map(({ check }) => check)).toEqual([
      'curve-rises',
      'above-chance-at-large-eps',
    ]);
  });

  it('says of which cell and attack answers are no numbers', () => {
    const { c1, ...rest } = cell(0.1, {});
    const broken = { ...c1, attacks: { ...c1.attacks, fgsm: { ...measure(0.7), notNumbers: 3 } } };
    expect(warningsOf([{ ...rest, c1: broken }], [], [], 10)).toMatchObject([
      {
        check: 'not-a-number',
        folder: 'cell',
        classifier: 'c1',
        message: expect.stringMatching(/^fgsm: the logits of 3 images are not all numbers/) as string,
      },
    ]);
    const points = [{ eps: 0.1, ...measure(0.5), notNumbers: 1 }];
    expect(warningsOf([], [{ ...curveOf([]), points }], [], 10)).toMatchObject([
      {
        check: 'not-a-number',
        message: expect.stringMatching(/^the curve of pgd at eps 0\.1: the logits of 1 image /) as string,
      },
    ]);
  });

  it('is not about C2 where there is none', () => {
    const { c2: _, ...alone } = cell(0.1, {});
    expect(warningsOf([alone], [], [], 10)).toEqual([]);
  });

  it('says that PGD has too few steps', () => {
    expect(warningsOf([], [], [doubling(0.4, 0.38)], 10)).toMatchObject([{ check: 'steps-not-enough' }]);
  });

  it('is not made of attacks that were not run', () => {
    const { c1, c2, ...rest } = cell(0.5, {});
    expect(
      warningsOf([{ ...rest, c1: { ...c1, attacks: {} }, c2: { ...c2!, attacks: {} } }], [], [], 10),
    ).toEqual([]);
  });
});
