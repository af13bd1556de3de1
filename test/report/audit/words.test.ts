import { describe, expect, it } from 'vitest';
import {
  className,
  distanceText,
  duration,
  epsText,
  imagesChosen,
  part,
} from '../../../src/report/audit/words.ts';
import { auditOf, audits } from '../../support/audits.ts';

describe('words of an audit', () => {
  it.each([
    [0.1, '0.1'],
    [Math.fround(0.1), '0.1'],
    [0.2, '0.2'],
    [0.0625, '0.0625'],
    [0, '0'],
    [1 / 255, '1/255'],
    [8 / 255, '8/255'],
    [Math.fround(8 / 255) + 6e-8, '8/255'],
    [128 / 255, '128/255'],
    [3, '3'],
    [0.123456, '0.1235'],
  ])('writes eps %f as %s', (eps, text) => {
    expect(epsText(eps)).toBe(text);
  });

  it.each([
    [0, '0.0 %'],
    [0.0001, '< 0.1 %'],
    [0.4061, '40.6 %'],
    [0.9999, '> 99.9 %'],
    [1, '100.0 %'],
  ])('writes the fraction %f as %s, never as all or nothing where it is not', (fraction, text) => {
    expect(part(fraction)).toBe(text);
  });

  it.each([
    [0.04, '< 0.1 s'],
    [3.44, '3.4 s'],
    [9.97, '10 s'],
    [98, '98 s'],
    [212.4, '3 min 32 s'],
    [7500, '2 h 5 min'],
  ])('writes %f seconds as %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });

  it('writes a distance as eps where it is all of it, or else with three digits', () => {
    expect(distanceText(Math.fround(8 / 255) + 6e-8, 8 / 255)).toBe('8/255');
    expect(distanceText(0.0997512, 0.1)).toBe('0.0998');
  });

  it('names a class by the table of classes, then by the classifier, then by the data', () => {
    const { classifier, data } = audits.plain;
    const own = auditOf({
      byClass: [{ label: 0, name: 'zero', images: 1, clean: 1, worst: 1 }],
      classifier: { ...classifier, labels: ['a', 'b'] },
      data: { ...data, classes: ['x', 'y', 'z'] },
    });
    const names = [0, 1, 2, 3, -1].map((label) => className(own, label));
    expect(names).toEqual(['zero', 'b', 'z', 'class 3', 'not a number']);
  });

  it('says how images were chosen, where an audit says it and others were left out', () => {
    const { data } = audits.plain;
    const spread = { ...data, chosen: 'spread' } as const;
    expect(imagesChosen({ images: 500, data })).toBe('500 of 10,000 images');
    expect(imagesChosen({ images: 500, data: spread })).toBe(
      '500 of 10,000 images, drawn at random, of each class its share',
    );
    expect(imagesChosen({ images: 500, data: { ...spread, labels: 'answers' } })).toBe(
      '500 of 10,000 images, drawn at random',
    );
    expect(imagesChosen({ images: 10_000, data: spread })).toBe('all 10,000 images');
  });
});
