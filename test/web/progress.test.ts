import { expect, it } from 'vitest';
import { progressOf } from '../../src/web/progress.ts';

const needed = [
  { url: 'runtime', bytes: 100 },
  { url: 'c1', bytes: 10 },
  { url: 'attacker', bytes: 50 },
];

it('counts files that were not asked for yet, so that the total never grows', () => {
  expect(progressOf(needed, new Map())).toEqual({ loaded: 0, total: 160 });
  expect(progressOf(needed, new Map([['c1', 10]]))).toEqual({ loaded: 10, total: 160 });
});

it('counts a file once that several networks share, and none that is not needed any more', () => {
  const twice = [...needed, { url: 'c1', bytes: 10 }];
  const loaded = new Map([
    ['c1', 10],
    ['another', 7],
  ]);
  expect(progressOf(twice, loaded)).toEqual({ loaded: 10, total: 160 });
});
