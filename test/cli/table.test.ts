import { expect, it } from 'vitest';
import { accuracyTable } from '../../src/cli/table.ts';

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
