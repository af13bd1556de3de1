import type { ClassifierName, Method } from './engine/protocol.ts';
import { pgd } from './choice.ts';

export const methodNames: Readonly<Record<Method, string>> = {
  attacker: 'Attacker',
  fgsm: 'FGSM',
  pgd: `PGD-${pgd.steps}`,
};

export const classifierNames: Readonly<Record<ClassifierName, string>> = {
  c1: 'C1',
  c2: 'C2',
  alternating: 'C1 alternating',
};

/** `0.16`, without zeros at the end. */
export const number = (value: number, digits = 3): string => String(Number(value.toFixed(digits)));

/** `87 %`, `0.4 %`: one decimal where it matters. */
export const percent = (fraction: number): string =>
  `${(100 * fraction).toFixed(fraction > 0.005 && fraction < 0.0995 ? 1 : 0)} %`;

/** `3.4 ms`, `127 ms` */
export const duration = (milliseconds: number): string =>
  `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;

/** Bytes in units of 10^6: `8.9 MB`. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
