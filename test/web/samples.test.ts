import { expect, it } from 'vitest';
import { toBase64 } from '../../src/runtime/experiment/demo-data.ts';
import { digitsOf, wordsFor } from '../../src/web/samples.ts';
import { colourCard, digitCard } from '../support/cards.ts';

it('reads sample images of any size', () => {
  const samples = {
    name: 'tiles',
    width: 3,
    height: 2,
    classes: 2,
    indices: [4, 9],
    labels: [0, 1],
    pixels: toBase64(Uint8Array.of(0, 51, 102, 153, 204, 255, 255, 0, 255, 0, 255, 0)),
  };
  const [one, two] = digitsOf(samples);
  expect(one).toEqual({ index: 4, label: 0, pixels: Float32Array.of(0, 0.2, 0.4, 0.6, 0.8, 1) });
  expect(two!.label).toBe(1);
  expect(digitsOf(null)).toEqual([]);
});

it('calls the images what they are', () => {
  expect([wordsFor('mnist', digitCard).source(3), wordsFor('mnist', digitCard).draw]).toEqual([
    'MNIST test image 3',
    'Draw a digit',
  ]);
  expect([wordsFor('fashion', digitCard).source(3), wordsFor('fashion', digitCard).draw]).toEqual([
    'fashion test image 3',
    'Draw an image',
  ]);
  expect([8, 11, 18, 80, 1, 10].map(wordsFor('mnist', digitCard).one)).toEqual([
    'an 8',
    'an 11',
    'an 18',
    'an 80',
    'a 1',
    'a 10',
  ]);
});

it('asks for a picture where nothing can be drawn', () => {
  expect(wordsFor('zoo', colourCard)).toMatchObject({ thing: 'image', draw: 'Open a picture' });
  expect(wordsFor('zoo', colourCard).named(3)).toBe('dog');
});
