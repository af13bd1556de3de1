import { InvalidArgumentError } from '@commander-js/extra-typings';
import { availableParallelism } from 'node:os';
import type { RunConfig } from '../runtime/index.ts';

/** A positive integer, or a refusal that commander prints with the option's name. */
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

/** The attack's intensity, in the unit of a pixel from 0 to 1. */
export function eps(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (text.includes(',')) {
    throw new InvalidArgumentError(`eps must be one number in (0, 1], got the list ${text}.`);
  }
  if (!(value > 0 && value <= 1)) {
    const hint =
      Number.isInteger(value) && value > 1 && value < 256
        ? ` (did you mean ${value}/255 = ${(value / 255).toFixed(4)}?)`
        : '';
    throw new InvalidArgumentError(`eps must be in (0, 1], got ${text}${hint}.`);
  }
  return value;
}

/** A learning rate, above 0. */
export function rate(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (!(value > 0 && value < Infinity))
    throw new InvalidArgumentError(`It must be a number above 0, got ${text}.`);
  return value;
}

/** What a preset fills in; every field can be set by its own flag. */
export type Preset = Pick<
  RunConfig,
  | 'mode'
  | 'eps'
  | 'bound'
  | 'clip'
  | 'seed'
  | 'batchSize'
  | 'classifierEpochs'
  | 'attackerEpochs'
  | 'learningRate'
>;

const quick: Preset = {
  mode: 'consecutive',
  eps: 0.16,
  bound: 'tanh',
  clip: true,
  seed: 1,
  batchSize: 100,
  classifierEpochs: 2,
  attackerEpochs: 1,
  learningRate: 1e-3,
};

/** `quick` shows the effect in minutes; `paper` is section 2.1.1: 20 + 20 epochs, unclipped. */
export const presets: Readonly<Record<'quick' | 'paper', Preset>> = {
  quick,
  paper: { ...quick, eps: 0.08, clip: false, classifierEpochs: 20, attackerEpochs: 20 },
};

/** As many threads as cores. */
export const defaultThreads: number = availableParallelism();
