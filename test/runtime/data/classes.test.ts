import { describe, expect, it } from 'vitest';
import { nameClasses } from '../../../src/runtime/data/classes.ts';
import { InputError } from '../../../src/runtime/errors.ts';

const labels = (names: readonly string[], classes?: readonly string[] | number) =>
  Object.fromEntries(nameClasses(names, classes, 'pictures').labelOf);

describe('names of classes', () => {
  it('are sorted where nobody knows the classifier', () => {
    const { classes, labelOf } = nameClasses(['dog', 'cat', 'dog', 'ant'], undefined, 'pictures');
    expect(classes).toEqual(['ant', 'cat', 'dog']);
    expect(Object.fromEntries(labelOf)).toEqual({ ant: 0, cat: 1, dog: 2 });
  });

  it('are found among those of the classifier, in whatever order and of how many it has them', () => {
    expect(labels(['cat', 'dog'], ['dog', 'horse', 'cat'])).toEqual({ cat: 2, dog: 0 });
  });

  it('that are numbers are places, in numeric order', () => {
    expect(labels(['10', '2', '007'])).toEqual({ '10': 10, '2': 2, '007': 7 });
    expect(nameClasses(['3'], 5, 'pictures').classes).toEqual(['0', '1', '2', '3', '4']);
    expect(nameClasses(['1'], ['cat', 'dog'], 'pictures').classes).toEqual(['cat', 'dog']);
  });

  it('that the classifier calls by number are its names first', () => {
    expect(labels(['7', '3'], ['3', '7'])).toEqual({ '7': 1, '3': 0 });
  });

  it('may be others than those of the classifier where there are as many', () => {
    expect(labels(['n01', 'n02'], ['tench', 'goldfish'])).toEqual({ n01: 0, n02: 1 });
    expect(labels(['n01', 'n02'], 2)).toEqual({ n01: 0, n02: 1 });
  });

  it.each<[string, readonly string[], readonly string[] | number, string]>([
    [
      'fewer than the classes, so that nobody knows which they are',
      ['cat', 'dog'],
      1000,
      'pictures: 2 classes (cat, dog) for the 1000 of the classifier; call them by its names or by number, 0..999',
    ],
    [
      'known in part',
      ['cat', 'hound'],
      ['cat', 'dog'],
      'pictures: cat is a class of the classifier, hound is none; rename it',
    ],
    ['a number too large', ['0', '2'], 2, 'pictures: class numbers must be 0..1, got 2; rename it'],
    [
      'a name that two classes have',
      ['crane'],
      ['crane', 'bus', 'crane'],
      "pictures: the classifier's classes 0 and 2 are both called crane; call all of them by number",
    ],
  ])('are rejected: %s', (_, names, classes, message) => {
    expect(() => nameClasses(names, classes, 'pictures')).toThrow(new InputError(message));
  });
});
