import type { ClassifierName } from './engine/protocol.ts';

/**
 * What a classifier is called. The Target is C1, the Bystander is C2 of the run's files.
 *
 * @param target whom the attacks aim at: an attacker of alternating training aims at the C1 that it was trained with.
 */
export function classifierName(name: ClassifierName, target: ClassifierName): string {
  switch (name) {
    case 'c1':
      return target === 'c1' ? 'Target' : 'Untrained partner';
    case 'c2':
      return 'Bystander';
    case 'alternating':
      return 'Trained sparring partner';
    default:
      return name satisfies never;
  }
}

/** `0.16`, without zeros at the end. */
export const number = (value: number, digits = 3): string => String(Number(value.toFixed(digits)));

/** `87 %`, `0.4 %`, `99.7 %`: one decimal where it matters. */
export function percent(fraction: number): string {
  const fine = (fraction >= 0.0005 && fraction < 0.0995) || (fraction > 0.985 && fraction < 0.9995);
  return `${(100 * fraction).toFixed(fine ? 1 : 0)} %`;
}

/** `3.4 ms`, `127 ms` */
export const duration = (milliseconds: number): string =>
  `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;

/** Bytes in units of 10^6: `8.9 MB`. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** The size of a file, small or large: `31 kB`, `8.9 MB`. */
export const fileSize = (bytes: number): string =>
  bytes < 1e5 ? `${Math.ceil(bytes / 1e3)} kB` : megabytes(bytes);
