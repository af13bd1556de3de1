import { describe, expect, it } from 'vitest';
import { percent } from '../../src/web/format.ts';
import { headline, means, trick } from '../../src/web/headline.ts';
import { wordsFor } from '../../src/web/samples.ts';
import { colourCard, digitCard } from '../support/cards.ts';

const digits = wordsFor('mnist', digitCard);
const sentence = (...args: Parameters<typeof headline>): string => {
  const { title, rest } = headline(...args);
  return `${title} ${rest}`;
};

describe('headline', () => {
  it('says what the network takes the digit for, and how sure it is', () => {
    expect(sentence({ kind: 'fooled', before: 7, after: 8 }, 7, 0.9996, digits)).toBe(
      'A 7? This network is 100 % sure it is an 8.',
    );
  });

  it('says when nobody was fooled', () => {
    expect(sentence({ kind: 'held', before: 8, after: 8 }, 8, 0.62, digits)).toBe(
      'An 8. This network still says so, and is 62 % sure.',
    );
  });

  it('blames no attack for what was wrong before', () => {
    expect(sentence({ kind: 'wrong already', before: 9, after: 3 }, 4, 1, digits)).toBe(
      'A 4? This network took it for a 9 before any attack.',
    );
  });

  it('says when the network is wrong, but not as it was meant to be', () => {
    expect(sentence({ kind: 'missed', before: 7, after: 8 }, 7, 0.6, digits, 3)).toBe(
      'A 7? This network now says an 8, and not a 3.',
    );
  });

  it('speaks of classes where the data has no digits', () => {
    expect(sentence({ kind: 'fooled', before: 7, after: 8 }, 7, 0.5, wordsFor('fashion', digitCard))).toBe(
      'Class 7? This network is 50 % sure it is class 8.',
    );
  });

  it('calls classes by their names where they have some', () => {
    expect(sentence({ kind: 'fooled', before: 2, after: 5 }, 2, 0.5, wordsFor('zoo', colourCard))).toBe(
      'Cat? This network is 50 % sure it is fox.',
    );
  });
});

it('says how much was changed, and by whom', () => {
  expect(means('generator', 'consecutive', 0.16)).toMatch(
    /^Another network changed each pixel by at most 16 %/,
  );
  expect(means('generator', 'alternating', 8 / 255)).toMatch(/at most 3\.1 %.*against each other/);
  expect(means('noise', 'consecutive', 0.3)).toMatch(/^Random noise/);
  expect(means('pgd', 'consecutive', 0.3, 'a 3')).toMatch(/at most 30 %, aiming at a 3\.$/);
});

it('calls it a trick when most attacked images are read as one class', () => {
  expect(trick({ label: 8, count: 97, images: 100 })).toBe(true);
  expect(trick({ label: 8, count: 30, images: 100 })).toBe(false);
});

it('rounds to 100 % only what is', () => {
  expect([0.9996, 0.9964, 0.97, 0.5, 0.013, 0.0001].map(percent)).toEqual([
    '100 %',
    '99.6 %',
    '97 %',
    '50 %',
    '1.3 %',
    '0 %',
  ]);
});
