import { describe, expect, it } from 'vitest';
import type { Choice } from '../../src/web/choice.ts';
import { fromHash, toHash } from '../../src/web/permalink.ts';

const digit = { index: 17, label: 7, pixels: Float32Array.from({ length: 784 }, (_, i) => (i % 256) / 255) };
const choice: Choice = {
  source: { kind: 'digit', index: 17 },
  pixels: digit.pixels,
  label: 7,
  method: 'pgd',
  eps: 0.08,
  clip: false,
  bits: null,
  weights: 'full',
  series: 'consecutive-clipped-tanh-seed1',
  backend: 'webgpu',
};

describe('a permalink', () => {
  it('brings back every choice', async () => {
    expect(await fromHash(`#${await toHash(choice)}`, [digit])).toEqual(choice);
  });

  it('brings back a drawing pixel by pixel, in a short address', async () => {
    const pixels = new Float32Array(784).fill(200 / 255, 300, 340);
    const drawn: Choice = { ...choice, source: { kind: 'own', name: 'drawing' }, pixels, label: null };
    const hash = await toHash(drawn);
    expect(await fromHash(hash, [digit])).toEqual(drawn);
    expect(hash.length).toBeLessThan(300);
  });

  it.each([
    '',
    '#',
    '#digit=99&eps=nan',
    '#eps=7&bits=12&clip=maybe&attack=prayer',
    '#pixels=%%%',
    '#pixels=AAAA',
    '#eps=&series=&label=&bits=',
    '#eps=%20',
  ])('leaves out what makes no sense: %s', async (hash) => {
    expect(await fromHash(hash, [digit])).toEqual({});
  });

  it('takes 0 for an eps, and clips 8-bit pixels as the page does', async () => {
    expect(await fromHash('#eps=0', [])).toEqual({ eps: 0 });
    expect(await fromHash('#bits=8&clip=0', [])).toEqual({ bits: 8, clip: true });
    expect(await fromHash('#bits=32&clip=0', [])).toEqual({ bits: null, clip: false });
  });

  it('names noise as one of the methods', async () => {
    expect(await fromHash('#attack=noise', [])).toEqual({ method: 'noise' });
  });
});
