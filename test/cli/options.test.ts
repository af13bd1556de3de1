import { describe, expect, it } from 'vitest';
import { eps, folder, listOf } from '../../src/cli/options.ts';

describe('eps', () => {
  it.each([
    ['0.16', 0.16],
    ['1', 1],
    ['8/255', 8 / 255],
    ['0.5/255', 0.5 / 255],
    [' 16 / 255 ', 16 / 255],
    ['1e-7', 1e-7],
  ])('"%s" is %d', (text, value) => {
    expect(eps(text)).toBe(value);
  });

  it('may be a list of both forms', () => {
    expect(listOf(eps)('8/255,0.16')).toEqual([8 / 255, 0.16]);
  });

  it('is listed twice in two forms of one value', () => {
    expect(() => listOf(eps)('0.5,1/2')).toThrow('0.5 is listed twice in 0.5,1/2.');
  });
});

describe('a folder', () => {
  it.each([
    ['site', 'site'],
    ['site/', 'site'],
    ['a/b//', 'a/b'],
    ['/', '/'],
    ['./', '.'],
  ])('"%s" is "%s"', (text, path) => {
    expect(folder(text)).toBe(path);
  });
});
