import { describe, expect, it } from 'vitest';
import { accuracyTable, textTable, wrapped } from '../../src/cli/table.ts';

it('shows accuracy as a percentage and the loss in brackets, a row for each classifier', () => {
  const table = accuracyTable([
    {
      name: 'C1',
      clean: { accuracy: 0.987, loss: 0.0412 },
      noise: { accuracy: 0.9791, loss: 0.0635 },
      attacked: { accuracy: 0.312, loss: 2.8 },
    },
    {
      name: 'C2',
      clean: { accuracy: 1, loss: 0 },
      noise: { accuracy: 0.9, loss: 0.5 },
      attacked: { accuracy: 0.05, loss: 12.3456 },
    },
  ]);
  expect(table.split('\n')).toEqual([
    '┌─────────────────┬─────────────────┬────────────────┬────────────────┐',
    '│ accuracy (loss) │           clean │          noise │       attacked │',
    '├─────────────────┼─────────────────┼────────────────┼────────────────┤',
    '│ C1              │  98.7 % (0.041) │ 97.9 % (0.064) │ 31.2 % (2.800) │',
    '│ C2              │ 100.0 % (0.000) │ 90.0 % (0.500) │ 5.0 % (12.346) │',
    '└─────────────────┴─────────────────┴────────────────┴────────────────┘',
  ]);
});

describe('a table', () => {
  const head = ['accuracy', 'clean', 'noise', 'FGSM', 'PGD-40', 'attacker', 'worst case'];
  const rows = ['C1 white-box', 'C2 transfer'].map((name) => [
    `consecutive-eps0.16-seed1 ${name}`,
    ...head.slice(1).map(() => '98.8 %'),
  ]);

  it('is framed where it fits', () => {
    const lines = textTable(head, rows, 120).split('\n');
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(/^┌─+┬/);
  });

  it('has the names above the values where it is wider than the terminal', () => {
    expect(textTable(head, rows, 80).split('\n')).toEqual([
      'accuracy',
      '   clean   noise    FGSM  PGD-40  attacker  worst case',
      'consecutive-eps0.16-seed1 C1 white-box',
      '  98.8 %  98.8 %  98.8 %  98.8 %    98.8 %      98.8 %',
      'consecutive-eps0.16-seed1 C2 transfer',
      '  98.8 %  98.8 %  98.8 %  98.8 %    98.8 %      98.8 %',
    ]);
  });

  it('has a line for each value where that is too wide, too', () => {
    expect(textTable(head, rows.slice(0, 1), 44).split('\n')).toEqual([
      'accuracy',
      'consecutive-eps0.16-seed1 C1 white-box',
      '  clean       98.8 %',
      '  noise       98.8 %',
      '  FGSM        98.8 %',
      '  PGD-40      98.8 %',
      '  attacker    98.8 %',
      '  worst case  98.8 %',
    ]);
  });

  it.each([44, 80, 120])('of a run keeps within %i columns', (columns) => {
    const scores = { accuracy: 1, loss: 12.3456 };
    const row = { clean: scores, noise: scores, attacked: scores };
    const names = ['C1', 'alternating-eps0.16-seed12 C2'];
    const table = accuracyTable(
      names.map((name) => ({ name, ...row })),
      columns,
    );
    expect(Math.max(...table.split('\n').map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(table.match(/100\.0 %/g)).toHaveLength(6);
  });
});

describe('a sentence', () => {
  const words = '97.0 % of the attacked images are read as 8; without the 8s, C1 is right on 2.8 %';
  it.each([20, 44, 80, 200])('is broken between words within %i columns', (columns) => {
    const lines = wrapped(words.split(' '), columns);
    expect(lines.join(' ')).toBe(words);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    for (const [i, line] of lines.slice(1).entries()) {
      expect(`${lines[i]} ${line.split(' ', 1)[0]}`.length).toBeGreaterThan(columns);
    }
  });
});
