import { InvalidArgumentError } from '@commander-js/extra-typings';
import { eps, fraction } from '../options.ts';

/** An eps, or the least and the largest of one attacker for all between: `8/255`, `0..16/255`. The same twice for one. */
export function epsRange(text: string): readonly [low: number, high: number] {
  const [low, high, ...more] = text.split('..');
  const largest = eps(high ?? low!);
  if (high === undefined) return [largest, largest];
  const least = fraction(low!);
  if (more.length === 0 && least >= 0 && least < largest) return [least, largest];
  throw new InvalidArgumentError(
    `It must be an eps, or two with .. between them, the smaller first, such as 0..16/255; got ${text}.`,
  );
}

/** A weight: a number from 0 on. */
export function weight(text: string): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= 0 && value < Infinity) return value;
  throw new InvalidArgumentError(`It must be a number from 0 on, got ${text}.`);
}
