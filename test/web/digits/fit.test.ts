import { describe, expect, it } from 'vitest';
import { centred, fitDigit } from '../../../src/web/digits/fit.ts';
import { greyOf, type Grey } from '../../../src/web/picture/grey.ts';

/** A picture with a filled rectangle. */
function rectangle(
  [width, height]: readonly [number, number],
  [left, top, wide, tall]: readonly [number, number, number, number],
  [ground, ink]: readonly [number, number],
): Grey {
  const data = Float32Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return x >= left && x < left + wide && y >= top && y < top + tall ? ink : ground;
  });
  return { width, height, data };
}

/** The rows and columns that hold something, and how bright the middle is. */
function seen(pixels: Float32Array) {
  const on = [...pixels.keys()].filter((i) => pixels[i]! > 0.5);
  const columns = on.map((i) => i % 28);
  const rows = on.map((i) => Math.floor(i / 28));
  return {
    left: Math.min(...columns),
    right: Math.max(...columns),
    top: Math.min(...rows),
    bottom: Math.max(...rows),
  };
}

describe('fitDigit', () => {
  it('scales the longer side to 20 pixels and puts the centre of mass in the middle', () => {
    const picture = rectangle([300, 200], [10, 40, 50, 100], [0, 1]);
    expect(seen(fitDigit(picture))).toEqual({ left: 9, right: 18, top: 4, bottom: 23 });
  });

  it('turns dark writing on light paper around', () => {
    const [dark, light] = [
      rectangle([90, 90], [30, 20, 12, 40], [0, 1]),
      rectangle([90, 90], [30, 20, 12, 40], [1, 0]),
    ];
    expect([...fitDigit(light)]).toEqual([...fitDigit(dark)]);
  });

  it('leaves a picture of 28x28 on black as it is', () => {
    const picture = rectangle([28, 28], [3, 5, 4, 9], [0, 200 / 255]);
    expect([...fitDigit(picture)]).toEqual([...picture.data]);
  });

  it('gives a black image for an empty picture', () => {
    expect(Math.max(...fitDigit(rectangle([50, 40], [0, 0, 0, 0], [1, 0])))).toBe(0);
  });

  it('enlarges what is small', () => {
    const { top, bottom } = seen(centred(rectangle([28, 28], [2, 2, 3, 5], [0, 1])));
    expect(bottom - top).toBe(19);
  });
});

describe('greyOf', () => {
  type Colour = readonly [red: number, green: number, blue: number, alpha: number];
  /** A picture with an upright stroke, as drawing programs save it. */
  const picture = (ink: Colour, ground: Colour) => {
    const shape = rectangle([90, 90], [30, 20, 12, 40], [0, 1]);
    return { ...shape, data: Array.from(shape.data, (on) => (on ? ink : ground)).flat() };
  };
  const clear = [0, 0, 0, 0] as const;
  const expected = [...fitDigit(rectangle([90, 90], [30, 20, 12, 40], [0, 1]))];

  it.each([
    ['black ink on transparent ground', picture([0, 0, 0, 255], clear)],
    ['black ink on ground that is transparent white', picture([0, 0, 0, 255], [255, 255, 255, 0])],
    ['white ink on transparent ground', picture([255, 255, 255, 255], clear)],
    ['black ink on white paper', picture([0, 0, 0, 255], [255, 255, 255, 255])],
    ['white chalk on a black board', picture([255, 255, 255, 255], [0, 0, 0, 255])],
  ])('reads %s', (_, own) => {
    expect([...fitDigit(greyOf(own))]).toEqual(expected);
  });

  it('reads dark blue ink on transparent ground', () => {
    const { top, bottom } = seen(fitDigit(greyOf(picture([20, 30, 90, 255], clear))));
    expect(bottom - top).toBe(19);
  });

  it('gives an empty image for a picture that is all transparent', () => {
    expect(Math.max(...fitDigit(greyOf(picture(clear, clear))))).toBe(0);
  });
});
