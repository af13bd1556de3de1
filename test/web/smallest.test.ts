import { describe, expect, test } from 'vitest';
import { smallestEps, type Tried } from '../../src/web/smallest.ts';

async function searched(border: number, most: number) {
  const tried: Tried[] = [];
  const search = smallestEps((eps) => Promise.resolve(eps >= border), most);
  let next = await search.next();
  for (; !next.done; next = await search.next()) tried.push(next.value);
  return { tried, found: next.value };
}

describe('the smallest eps that fools', () => {
  test.for([0.001, 0.1, 0.2337, 0.3])('is found within a 128th of the largest: %s of 0.3', async (border) => {
    const { found } = await searched(border, 0.3);
    expect(found).toBeGreaterThanOrEqual(border);
    expect(found! - border).toBeLessThanOrEqual(0.3 / 128);
  });

  test('is one that was tried and fooled', async () => {
    const { found, tried } = await searched(0.1, 0.3);
    expect(tried).toHaveLength(8);
    expect(tried).toContainEqual({ eps: found, fooled: true });
  });

  test('is null where the largest does not fool, and nothing else is tried', async () => {
    expect(await searched(0.4, 0.3)).toEqual({ found: null, tried: [{ eps: 0.3, fooled: false }] });
  });
});
