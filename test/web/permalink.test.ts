import { describe, expect, it } from 'vitest';
import type { Choice } from '../../src/web/choice.ts';
import { fromHash, toHash } from '../../src/web/permalink.ts';
import { colourCard, digitCard } from '../support/cards.ts';

const digit = { index: 17, label: 7, pixels: Float32Array.from({ length: 784 }, (_, i) => (i % 256) / 255) };
const choice: Choice = {
  source: { kind: 'digit', index: 17 },
  pixels: digit.pixels,
  label: 7,
  method: 'pgd',
  aim: 3,
  eps: 0.08,
  clip: false,
  bits: null,
  weights: 'full',
  series: 'consecutive-clipped-tanh-seed1',
  backend: 'webgpu',
};

describe('a permalink', () => {
  it('brings back every choice', async () => {
    expect(await fromHash(`#${await toHash(choice)}`, [digit], digitCard)).toEqual(choice);
  });

  it('brings back a drawing pixel by pixel, in a short address', async () => {
    const pixels = new Float32Array(784).fill(200 / 255, 300, 340);
    const drawn: Choice = { ...choice, source: { kind: 'own', name: 'drawing' }, pixels, label: null };
    const hash = await toHash(drawn);
    expect(await fromHash(hash, [digit], digitCard)).toEqual(drawn);
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
    '#aim=10',
    '#aim=x',
  ])('leaves out what makes no sense: %s', async (hash) => {
    expect(await fromHash(hash, [digit], digitCard)).toEqual({});
  });

  it('takes 0 for an eps, and clips 8-bit pixels as the page does', async () => {
    expect(await fromHash('#eps=0', [], digitCard)).toEqual({ eps: 0 });
    expect(await fromHash('#bits=8&clip=0', [], digitCard)).toEqual({ bits: 8, clip: true });
    expect(await fromHash('#bits=32&clip=0', [], digitCard)).toEqual({ bits: null, clip: false });
  });

  it('names noise as one of the methods', async () => {
    expect(await fromHash('#attack=noise', [], digitCard)).toEqual({ method: 'noise', aim: null });
  });

  it('calls the trained attacker as links always did', async () => {
    expect(await toHash({ ...choice, method: 'generator' })).toContain('attack=attacker');
    expect(await fromHash('#attack=attacker', [], digitCard)).toEqual({ method: 'generator', aim: null });
  });

  it('holds images of any size, and classes that there are', async () => {
    const pixels = Float32Array.from({ length: 60 }, (_, i) => (4 * i) / 255);
    const own: Choice = { ...choice, source: { kind: 'own', name: 'photo' }, pixels, label: 6 };
    const hash = await toHash(own);
    const back = await fromHash(hash, [], colourCard);
    expect([back.pixels, back.label]).toEqual([pixels, 6]);
    expect(await fromHash('#label=7', [], colourCard)).toEqual({});
    expect((await fromHash(hash, [], digitCard)).pixels).toBeUndefined();
  });
});
