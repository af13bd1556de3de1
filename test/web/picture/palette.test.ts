import { expect, it } from 'vitest';
import { imageOf } from '../../../src/runtime/data/levels.ts';
import { diverging, grey, paint } from '../../../src/web/picture/palette.ts';

const pair = (channels: number) => ({ channels, height: 1, width: 2 });

it('paints one channel in grey and three in colour', () => {
  expect([...paint(Float32Array.of(0, 1), pair(1), grey)]).toEqual([0, 0, 0, 255, 255, 255, 255, 255]);
  // red of both pixels, then green, then blue
  expect([...paint(Float32Array.of(1, 0, 0, 1, 2, -1), pair(3), grey)]).toEqual([
    255, 0, 255, 255, 0, 255, 0, 255,
  ]);
});

it('shows a change of eps in full colour, and none as the ground', () => {
  expect([...paint(Float32Array.of(0.1, 0), pair(1), diverging('light', Math.fround(0.1)))]).toEqual([
    178, 24, 43, 255, 255, 255, 255, 255,
  ]);
  expect(diverging('light', 0).one(0)).toEqual([255, 255, 255]);
  expect([-0.1, 0, 0.1].map(diverging('dark', 0.1).channel)).toEqual([0, 127.5, 255]);
});

it('reads what was painted back as the values of an image', () => {
  const values = Float32Array.of(1, 0, 0.2, 1, 0.4, 0.6);
  const data = paint(values, pair(3), grey);
  expect(imageOf(data, pair(3))).toEqual(values);
});
