import { expect, test } from 'vitest';
import { percent } from '../../src/web/format.ts';

test.each([
  [0, '0 %'],
  [0.0004, '0 %'],
  // what the likeliest of a thousand classes may have
  [0.002, '0.2 %'],
  [0.051, '5.1 %'],
  [0.87, '87 %'],
  [0.997, '99.7 %'],
  [0.9999, '100 %'],
])('%d is shown as %s', (fraction, shown) => expect(percent(fraction)).toBe(shown));
