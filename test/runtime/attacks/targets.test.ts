import { expect, it } from 'vitest';
import { likeliestOthers } from '../../../src/runtime/attacks/targets.ts';

const logits = { data: Float32Array.of(1, 4, 2, 3, 7, 7, 0, 7), shape: [2, 4] } as const;

it('the likeliest other classes come in falling order, equal ones in the order of the classes', () => {
  const ranks = likeliestOthers(logits, Int32Array.of(1, 1), 9);
  expect(ranks.map((rank) => [...rank])).toEqual([
    [3, 0],
    [2, 3],
    [0, 2],
  ]);
});

it('there are no more than are asked for', () => {
  expect(likeliestOthers(logits, Int32Array.of(1, 1), 2)).toHaveLength(2);
});
