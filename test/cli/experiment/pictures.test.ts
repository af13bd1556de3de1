import { createCanvas, loadImage } from '@napi-rs/canvas';
import { describe, expect, it } from 'vitest';
import { renderSamples, type Sample } from '../../../src/report/kit/pictures.ts';
import { sampleHeader, type SampledRun } from '../../../src/report/paper/sample-header.ts';

const EPS = 0.16;
const run: SampledRun = {
  images: 10_000,
  data: 'mnist',
  eps: EPS,
  mode: 'consecutive',
  bound: 'tanh',
  clip: false,
  seed: 1,
  shape: { channels: 1, height: 28, width: 28 },
  before: 0.987,
  after: 0.312,
};
const header = sampleHeader(run);

// Where the first column of each row begins, and how large a pixel of an image is drawn.
const LEFT = 262;
const ORIGINAL = 216;
const PERTURBATION = 420;
const ATTACKED = 588;
const SCALE = 5;

function filled(values: Record<number, number>, rest = 0): Float32Array {
  return Float32Array.from({ length: 784 }, (_, index) => values[index] ?? rest);
}

function sample(overrides: Partial<Sample> = {}): Sample {
  return {
    label: '7',
    image: filled({ 29: 1 }, 0.2),
    perturbation: filled({ 0: EPS, 29: -EPS, 30: EPS / 4 }),
    attacked: filled({ 0: 1.16, 29: -0.16 }, 0.2),
    before: { answer: '7', probability: 0.99, right: true },
    after: { answer: '3', probability: 0.87, right: false },
    ...overrides,
  };
}

async function decode(png: Buffer): Promise<{
  readonly width: number;
  readonly height: number;
  /** The colours of the block that shows the pixel at (row, column) of the first image in the row at `top`. */
  block(top: number, row: number, column: number): string[];
  /** The colour at a place of the figure. */
  pixel: (x: number, y: number) => string;
  /** The colours of the prediction under the first image in the row at `top`. */
  caption(top: number): string[];
}> {
  const image = await loadImage(png);
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  const colours = (x: number, y: number, width: number, height: number): string[] => {
    const { data } = context.getImageData(x, y, width, height);
    const found = new Set<string>();
    for (let at = 0; at < data.length; at += 4) found.add([...data.subarray(at, at + 3)].join(' '));
    return [...found];
  };
  return {
    width: image.width,
    height: image.height,
    block: (top, row, column) => colours(LEFT + SCALE * column, top + SCALE * row, SCALE, SCALE),
    pixel: (x, y) => colours(x, y, 1, 1)[0]!,
    caption: (top) => colours(LEFT, top + 28 * SCALE + 10, 28 * SCALE, 36),
  };
}

describe('renderSamples', () => {
  it('draws a PNG of a fixed size, whatever the number of samples', async () => {
    for (const count of [1, 10]) {
      const figure = await decode(
        renderSamples(
          Array.from({ length: count }, () => sample()),
          header,
        ),
      );
      expect([figure.width, figure.height]).toEqual([1872, 868]);
    }
  });

  it('enlarges each pixel of the original to a square of one grey', async () => {
    const figure = await decode(renderSamples([sample()], header));
    expect(figure.block(ORIGINAL, 1, 1)).toEqual(['255 255 255']);
    expect(figure.block(ORIGINAL, 1, 2)).toEqual(['51 51 51']);
    expect(figure.block(ORIGINAL, 27, 27)).toEqual(['51 51 51']);
  });

  it('draws -eps blue, 0 white, +eps red, and what is between them paler', async () => {
    const figure = await decode(renderSamples([sample()], header));
    expect(figure.block(PERTURBATION, 1, 1)).toEqual(['33 102 172']);
    expect(figure.block(PERTURBATION, 5, 5)).toEqual(['255 255 255']);
    expect(figure.block(PERTURBATION, 0, 0)).toEqual(['178 24 43']);
    expect(figure.block(PERTURBATION, 1, 2)).toEqual(['236 197 202']);
  });

  it('clamps attacked pixels outside [0, 1] to black and white', async () => {
    const figure = await decode(renderSamples([sample()], header));
    expect(figure.block(ATTACKED, 0, 0)).toEqual(['255 255 255']);
    expect(figure.block(ATTACKED, 1, 1)).toEqual(['0 0 0']);
  });

  it('writes wrong predictions in red and right ones in green', async () => {
    const figure = await decode(renderSamples([sample()], header));
    const red = '193 18 31';
    const green = '45 90 61';
    expect(figure.caption(ORIGINAL)).toContain(green);
    expect(figure.caption(ORIGINAL)).not.toContain(red);
    expect(figure.caption(ATTACKED)).toContain(red);
    expect(figure.caption(ATTACKED)).not.toContain(green);
  });

  it('says whether the attack is clipped', () => {
    const unclipped = renderSamples([sample()], header);
    expect(unclipped.equals(renderSamples([sample()], sampleHeader({ ...run, clip: true })))).toBe(false);
  });

  const colour = { channels: 3, height: 2, width: 4 };
  /** Red, green and blue of a 2x4 image, whose first pixel and last pixel are given. */
  const planes = (first: readonly number[], last: readonly number[], rest: number): Float32Array =>
    Float32Array.from(
      first.flatMap((value, channel) => [value, ...new Array<number>(6).fill(rest), last[channel]!]),
    );

  it('draws colour images of any size, and how each channel changes', async () => {
    const image = planes([1, 0, 0], [0.2, 0.4, 0.6], 1);
    const perturbation = planes([EPS, -EPS, 0], [0, 0, EPS / 2], 0);
    const own = sample({ image, perturbation, attacked: image });
    const { pixel } = await decode(renderSamples([own], { ...header, shape: colour }));
    // 35 times as large, 140x70 in the middle of a place for 140x140
    const at = (top: number, row: number, column: number) =>
      pixel(LEFT + 35 * column + 17, top + 35 + 35 * row + 17);
    expect([at(ORIGINAL, 0, 0), at(ORIGINAL, 1, 3)]).toEqual(['255 0 0', '51 102 153']);
    expect([at(PERTURBATION, 0, 0), at(PERTURBATION, 1, 3)]).toEqual(['255 0 128', '128 128 191']);
  });

  it('makes images smaller that are larger than their place', async () => {
    const large = { channels: 1, height: 300, width: 200 };
    const white = new Float32Array(60_000).fill(1);
    const own = sample({ image: white, perturbation: white, attacked: white });
    const { pixel } = await decode(renderSamples([own], { ...header, shape: large }));
    // 93x140 in a place for 140x140, on white: beside the frame there is nothing
    expect(pixel(LEFT + 70, ORIGINAL + 70)).toBe('255 255 255');
    expect(pixel(LEFT + 70, PERTURBATION + 139)).toBe('178 24 43');
    expect(pixel(LEFT + 10, PERTURBATION + 70)).toBe('255 255 255');
  });

  it('gives the same bytes for the same input', () => {
    expect(renderSamples([sample()], header).equals(renderSamples([sample()], header))).toBe(true);
  });

  it('refuses an image of the wrong length by its name', () => {
    const short = sample({ perturbation: new Float32Array(783) });
    expect(() => renderSamples([sample(), short], header)).toThrow(
      'samples[1].perturbation must have 1x28x28 = 784 values, got 783',
    );
  });

  it('refuses a figure without samples or with more than ten', () => {
    expect(() => renderSamples([], header)).toThrow('1 to 10 samples, got 0');
    expect(() =>
      renderSamples(
        Array.from({ length: 11 }, () => sample()),
        header,
      ),
    ).toThrow('got 11');
  });

  it.each([0, -0.1, Number.NaN, Infinity])('refuses eps %s', (eps) => {
    expect(() => renderSamples([sample()], sampleHeader({ ...run, eps }))).toThrow(`eps must be above 0`);
  });
});
