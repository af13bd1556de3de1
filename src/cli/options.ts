import { InvalidArgumentError } from '@commander-js/extra-typings';
import { availableParallelism } from 'node:os';
import { sep } from 'node:path';
import { modes, readings, type Mode, type RunConfig } from '../runtime/index.ts';

/** A positive integer, or an error that commander prints with the option's name. */
export function count(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)) || Number(text) < 1) {
    throw new InvalidArgumentError(`It must be a positive integer, got ${text}.`);
  }
  return Number(text);
}

/** Threads: more than a machine has only makes it slow, more than it can give makes it fail. */
export function threads(text: string): number {
  const n = count(text);
  if (n > maxThreads) throw new InvalidArgumentError(`It must be at most ${maxThreads}, got ${text}.`);
  return n;
}

const maxThreads = 256;

/** A seed: an integer from 0 on. */
export function seed(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new InvalidArgumentError(`It must be an integer from 0 on, got ${text}.`);
  }
  return Number(text);
}

/** The attack's intensity, in the unit of a pixel from 0 to 1: `0.16` or `8/255`. */
export function eps(text: string): number {
  const value = fraction(text);
  if (!(value > 0 && value <= 1)) {
    const hint =
      Number.isInteger(value) && value > 1 && value < 256
        ? ` (did you mean ${value}/255 = ${(value / 255).toFixed(4)}?)`
        : '';
    throw new InvalidArgumentError(`eps must be in (0, 1], got ${text}${hint}.`);
  }
  if (Math.fround(value) === 0) {
    throw new InvalidArgumentError(`eps ${text} is 0 as a 32-bit float, so there would be no attack.`);
  }
  return value;
}

/** A number, or one divided by another. NaN where it is neither. */
export function fraction(text: string): number {
  const parts = text.split('/');
  if (parts.length > 2 || parts.some((part) => part.trim() === '')) return NaN;
  const [numerator, denominator = 1] = parts.map(Number);
  return numerator! / denominator;
}

/** A folder's path without slashes at its end, which are no part of its name. */
export function folder(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text.replace(sep === '/' ? /(?<=.)\/+$/ : /(?<=[^:])[/\\]+$/, '');
}

/** A mode of training. */
export function mode(text: string): Mode {
  const found = modes.find((name) => name === text);
  if (!found)
    throw new InvalidArgumentError(
      `Allowed choices are ${modes.join(', ')}, both (the first two); got ${text}.`,
    );
  return found;
}

/** A way to read the paper. */
export function reading(text: string): (typeof readings)[number] {
  const found = readings.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`Allowed choices are ${readings.join(', ')}; got ${text}.`);
  return found;
}

/** Values with commas between them, each once: `0.04,0.16`. */
export const listOf =
  <T extends string | number>(one: (text: string) => T) =>
  (text: string): T[] => {
    const values = text.split(',').map((part) => one(part));
    const twice = values.find((value, i) => values.indexOf(value) < i);
    if (twice !== undefined) throw new InvalidArgumentError(`${twice} is listed twice in ${text}.`);
    return values;
  };

/** The values of an option that is given once for each, and so takes no word that is meant for something else. */
export const repeated = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
];

/** Which part of a sweep: `2/8` is the second of eight. */
export function shard(text: string): { readonly index: number; readonly count: number } {
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const [i, n] = [Number(index), Number(of)];
  if (!(i >= 1 && i <= n && Number.isSafeInteger(n))) {
    throw new InvalidArgumentError(`It must be i/n with i from 1 to n, such as 1/4; got ${text}.`);
  }
  return { index: i, count: n };
}

/** A learning rate, above 0. */
export function rate(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (!(value > 0 && value < Infinity))
    throw new InvalidArgumentError(`It must be a number above 0, got ${text}.`);
  return value;
}

/** A number from 0 on, or one divided by another: `0.25`, `1/4`. */
export function amount(text: string): number {
  const value = fraction(text);
  if (value >= 0 && value < Infinity) return value;
  throw new InvalidArgumentError(`It must be a number from 0 on, got ${text}.`);
}

/** A number from 0 to below 1. */
export function fractionBelowOne(text: string): number {
  const value = amount(text);
  if (value < 1) return value;
  throw new InvalidArgumentError(`It must be from 0 to below 1, got ${text}.`);
}

/** What a preset fills in; every field can be set by its own flag. */
export type Preset = Pick<
  RunConfig,
  'modes' | 'eps' | 'seeds' | 'bound' | 'clip' | 'batchSize' | 'attackerEpochs' | 'learningRate'
> & { readonly classifierEpochs: Readonly<Record<Mode, number>> };

const quick: Preset = {
  modes: ['consecutive'],
  eps: [0.16],
  bound: 'tanh',
  clip: true,
  seeds: [1],
  batchSize: 100,
  classifierEpochs: { consecutive: 2, alternating: 2, hardened: 2 },
  attackerEpochs: 1,
  learningRate: 1e-3,
};

/** `quick` shows the effect in minutes; `paper` is all of section 2: both modes, seven intensities, unclipped. */
export const presets: Readonly<Record<'quick' | 'paper', Preset>> = {
  quick,
  paper: {
    ...quick,
    modes: ['consecutive', 'alternating'],
    eps: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64],
    clip: false,
    classifierEpochs: { consecutive: 20, alternating: 5, hardened: 5 },
    attackerEpochs: 20,
  },
};

/** As many threads as cores. */
export const defaultThreads: number = availableParallelism();
