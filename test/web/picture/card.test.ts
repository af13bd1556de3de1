import { expect, it } from 'vitest';
import { wrapped } from '../../../src/web/picture/card.ts';

const lengthOf = (text: string): number => text.length;

it('breaks a text at spaces, and an address where it must', () => {
  expect(wrapped('one two three', 7, lengthOf)).toEqual(['one two', 'three']);
  expect(wrapped('see https://a.example', 8, lengthOf)).toEqual(['see', 'https://', 'a.exampl', 'e']);
  expect(wrapped('#eps=1&bits=8', 8, lengthOf)).toEqual(['#eps=1&', 'bits=8']);
  expect(wrapped('', 7, lengthOf)).toEqual(['']);
});
