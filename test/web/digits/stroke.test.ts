import { describe, expect, it } from 'vitest';
import { side } from '../../../src/web/digits/shape.ts';
import { stroke } from '../../../src/web/digits/stroke.ts';

const blank = new Float32Array(side * side);
const at = (pixels: Float32Array, x: number, y: number): number => pixels[y * side + x]!;

describe('stroke', () => {
  const line = stroke(blank, { x: 5.5, y: 10.5 }, { x: 20.5, y: 10.5 }, 1);

  it('is white along its middle and soft at its edge', () => {
    for (let x = 5; x <= 20; x++) expect(at(line, x, 10)).toBe(1);
    expect(at(line, 12, 9)).toBeGreaterThan(0);
    expect(at(line, 12, 9)).toBeLessThan(1);
    expect(at(line, 12, 7)).toBe(0);
  });

  it('holds multiples of 1/255, so that what is drawn is an 8-bit image', () => {
    for (const value of line) expect(value).toBe(Math.fround(Math.round(255 * value) / 255));
  });

  it('never makes darker what was there, and erases it when told', () => {
    const grey = blank.map(() => Math.fround(0.6));
    const drawn = stroke(grey, { x: 3, y: 3 }, { x: 3, y: 3 }, 1);
    expect(Math.min(...drawn)).toBeCloseTo(0.6, 6);
    const erased = stroke(line, { x: 12.5, y: 10.5 }, { x: 12.5, y: 10.5 }, 0);
    expect(at(erased, 12, 10)).toBe(0);
    expect(at(erased, 6, 10)).toBe(1);
  });
});
