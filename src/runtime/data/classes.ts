import { InputError } from '../errors.ts';
import { numbered } from './source.ts';

/** Names of classes, and the label that each name in the data stands for. */
export interface Naming {
  readonly classes: readonly string[];
  readonly labelOf: ReadonlyMap<string, number>;
}

/** Labels are places in a list of classes. */
export const mostClasses = 65_536;

/**
 * Which class each name means, in this order: a class of the classifier that is called so; the class with that number,
 * where all names are numbers; else its place in the sorted names, where there are as many names as classes.
 *
 * @param names that the data uses for its classes, each once or more.
 * @param given the classifier's classes or how many they are; undefined where nobody knows.
 * @param where the data, with which errors begin.
 * @throws InputError where names and classes do not go together.
 */
export function nameClasses(
  names: Iterable<string>,
  given: readonly string[] | number | undefined,
  where: string,
): Naming {
  const sorted = [...new Set(names)].toSorted();
  const list = typeof given === 'object' ? given : null;
  const count = typeof given === 'number' ? given : list?.length;
  const stranger = sorted.find((name) => !list?.includes(name));
  if (list && stranger === undefined) return byName(sorted, list, where);
  if (sorted.every((name) => /^\d+$/.test(name))) {
    const labelOf = new Map(sorted.map((name) => [name, Number(name)]));
    const largest = Math.max(-1, ...labelOf.values());
    const most = count ?? mostClasses;
    if (largest >= most) {
      throw new InputError(`${where}: class numbers must be 0..${most - 1}, got ${largest}; rename it`);
    }
    return { classes: list ?? numbered(count ?? largest + 1), labelOf };
  }
  const known = sorted.find((name) => list?.includes(name));
  if (known !== undefined) {
    throw new InputError(`${where}: ${known} is a class of the classifier, ${stranger} is none; rename it`);
  }
  if (count !== undefined && count !== sorted.length) {
    throw new InputError(
      `${where}: ${sorted.length} classes (${shortList(sorted)}) for the ${count} of the classifier; ` +
        `call them by its names or by number, 0..${count - 1}`,
    );
  }
  return { classes: list ?? sorted, labelOf: new Map(sorted.map((name, label) => [name, label])) };
}

function byName(names: readonly string[], classes: readonly string[], where: string): Naming {
  const twice = names.find((name) => classes.indexOf(name) !== classes.lastIndexOf(name));
  if (twice === undefined) {
    return { classes, labelOf: new Map(names.map((name) => [name, classes.indexOf(name)])) };
  }
  throw new InputError(
    `${where}: the classifier's classes ${classes.indexOf(twice)} and ${classes.lastIndexOf(twice)} are both called ` +
      `${twice}; call all of them by number`,
  );
}

/** The first of some names, for messages. */
export const shortList = (names: readonly string[], most: number = 3): string =>
  names.length <= most
    ? names.join(', ')
    : `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
