import { describe, expect, it } from 'vitest';
import { evaluationTable, matrixTable } from '../../../src/cli/experiment/evaluation-table.ts';
import type { Evaluation } from '../../../src/runtime/index.ts';
import { evaluationOf } from '../../support/evaluations.ts';

const cell = { mode: 'consecutive', eps: 0.16, c1: 0.1, c2: 0.3 } as const;
const one: Evaluation = { ...evaluationOf([cell]), warnings: [] };
const widths = (text: string): number[] => text.split('\n').map((line) => line.length);

describe('the table of an evaluation', () => {
  it('has a row for each classifier, and the attacks in columns, in 80 columns', () => {
    const table = evaluationTable(one, 80);
    expect(table.split('\n')).toEqual([
      '┌────────────────┬────────┬────────┬────────┬────────┬──────────┬────────┐',
      '│ accuracy       │  clean │  noise │   FGSM │ PGD-40 │ attacker │  worst │',
      '├────────────────┴────────┴────────┴────────┴────────┴──────────┴────────┤',
      '│ consecutive-eps0.16-seed1                                              │',
      '│   C1 white-box │ 99.0 % │ 98.5 % │ 16.0 % │  5.0 % │   10.0 % │  4.0 % │',
      '│   C2 transfer  │ 99.0 % │ 98.5 % │ 28.0 % │ 15.0 % │   30.0 % │ 12.0 % │',
      '└────────────────┴────────┴────────┴────────┴────────┴──────────┴────────┘',
    ]);
  });

  it('stands on its side in 44 columns', () => {
    const table = evaluationTable(one, 44);
    expect(table.split('\n')).toEqual([
      'consecutive-eps0.16-seed1',
      '┌──────────┬──────────────┬─────────────┐',
      '│ accuracy │ C1 white-box │ C2 transfer │',
      '├──────────┼──────────────┼─────────────┤',
      '│ clean    │       99.0 % │      99.0 % │',
      '│ noise    │       98.5 % │      98.5 % │',
      '│ FGSM     │       16.0 % │      28.0 % │',
      '│ PGD-40   │        5.0 % │      15.0 % │',
      '│ attacker │       10.0 % │      30.0 % │',
      '│ worst    │        4.0 % │      12.0 % │',
      '└──────────┴──────────────┴─────────────┘',
    ]);
  });

  it.each([80, 60, 44])('keeps to %i columns with many cells and the widest numbers', (columns) => {
    const full = { accuracy: 1, interval: { low: 1, high: 1 }, loss: 0 };
    const widest: Evaluation = {
      ...one,
      cells: [1, 2].map((seed) => {
        const side = { clean: full, attacks: { noise: full, fgsm: full, pgd: full, attacker: full } };
        return {
          ...one.cells[0]!,
          seed,
          folder: `alternating-eps0.16-seed${seed}`,
          c1: { knowledge: 'white-box', ...side, worst: full },
          c2: { knowledge: 'transfer', ...side, worst: full },
        };
      }),
      attacks: one.attacks.map((each) => (each.attack === 'pgd' ? { ...each, steps: 1000 } : each)),
      warnings: [1, 2].map((seed) => ({
        check: 'constant-answers',
        folder: `alternating-eps0.16-seed${seed}`,
        classifier: 'c1',
        message: 'the logits are the same',
      })),
    };
    expect(Math.max(...widths(evaluationTable(widest, columns)))).toBeLessThanOrEqual(columns);
  });

  it('has no row for a C2 that there is none of', () => {
    const { c2: _, ...alone } = one.cells[0]!;
    for (const columns of [44, 80]) {
      expect(evaluationTable({ ...one, cells: [alone] }, columns)).not.toContain('C2');
    }
  });

  it('marks the numbers that are no proof of robustness, and says why below', () => {
    const warnings: Evaluation['warnings'] = [
      {
        check: 'zero-gradient',
        folder: one.cells[0]!.folder,
        classifier: 'c1',
        message: 'the gradient is zero',
      },
    ];
    const table = evaluationTable({ ...one, warnings }, 80).split('\n');
    expect(table.find((line) => line.includes('C1'))).toBe(
      '│   C1 white-box │ 99.0 % │ 98.5 % │ 16.0 %* │  5.0 %* │   10.0 % │  4.0 %* │',
    );
    expect(table.at(-1)).toBe('* no proof of robustness: zero-gradient');
  });
});

describe('the table of the cross-attack matrix', () => {
  const { matrix } = evaluationOf([
    cell,
    { ...cell, mode: 'alternating', eps: 0.08 },
    { ...cell, mode: 'alternating', eps: 0.16 },
    { ...cell, mode: 'alternating', eps: 0.32 },
  ]);

  it.each([80, 44])('keeps to %i columns, with every number and a line a name', (columns) => {
    const table = matrixTable(matrix!, columns);
    expect(Math.max(...widths(table))).toBeLessThanOrEqual(columns);
    const { attackers, classifiers } = matrix!;
    expect(table.match(/ %/g)).toHaveLength(attackers.length * classifiers.length);
    expect(table).toContain(`a2: ${attackers[1]!.name}`);
    expect(table).toContain(`c${classifiers.length}: ${classifiers.at(-1)!.name}`);
  });
});
