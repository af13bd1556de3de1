import { describe, expect, test } from 'vitest';
import { viewOf } from '../../../src/web/route.ts';
import { fromSparHash, startSettings, toSparHash, type SparLink } from '../../../src/web/spar/settings.ts';

const link: SparLink = {
  settings: { mode: 'alternating', eps: 0.08, learningRate: 0.002, width: 16, seed: 7, speed: 'fast' },
  backend: 'webgpu',
  hidden: ['mode', 'seed'],
};

describe('the link of live training', () => {
  test('gives back what it was made of, and names the view', () => {
    const hash = toSparHash(link);
    expect(fromSparHash(`#${hash}`)).toEqual(link);
    expect(viewOf(`#${hash}`)).toBe('spar');
  });

  test('is one that a teacher can write', () => {
    expect(toSparHash(link)).toContain('hide=mode,seed');
    expect(fromSparHash('#spar&hide=rate,width,nonsense').hidden).toEqual(['rate', 'width']);
  });

  test.for([
    'spar',
    'spar&mode=both&eps=0.4&rate=0.3&width=7&seed=-1&speed=light&backend=cuda',
    'spar&eps=&seed=1.5&rate=',
    'spar&eps=0',
  ])('leaves out what makes no sense: %s', (hash) => {
    expect(fromSparHash(hash)).toEqual({ settings: startSettings, backend: null, hidden: [] });
  });
});

describe('the views of the page', () => {
  test.for([
    ['', 'digits'],
    ['#digit=3&attack=pgd', 'digits'],
    ['#paper', 'digits'],
    ['#sparring', 'digits'],
    ['#spar', 'spar'],
    ['#spar&eps=0.1', 'spar'],
    ['#own', 'own'],
  ] as const)('%s is of %s', ([hash, view]) => {
    expect(viewOf(hash)).toBe(view);
  });
});
