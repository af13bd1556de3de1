import { InvalidArgumentError } from '@commander-js/extra-typings';
import { attackNames, type AttackName } from '../../runtime/attacks/index.ts';
import { auditChecks } from '../../runtime/audit/checks/index.ts';
import { InputError } from '../../runtime/errors.ts';
import { fraction } from '../options.ts';

/** The name of an attack. */
export function attack(text: string): AttackName {
  const found = attackNames.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`It must be some of ${attackNames.join(',')}; got ${text}.`);
  return found;
}

/** The largest change, of any norm: above 0, a number or a fraction. What it may be at most depends on the norm. */
export function size(text: string): number {
  const value = fraction(text);
  if (!(value > 0 && value < Infinity) || Math.fround(value) === 0) {
    throw new InvalidArgumentError(`It must be a number above 0, such as 0.03 or 8/255; got ${text}.`);
  }
  return value;
}

/** An eps that its norm allows. Throws InputError, which names the flag. */
export function within(norm: 'linf' | 'l2', eps: number, flag: '--eps' | '--eps-curve'): number {
  if (norm === 'l2' || eps <= 1) return eps;
  const hint = eps < 256 ? ` (did you mean ${eps}/255?)` : '';
  throw new InputError(`${flag}: eps must be at most 1 for linf, got ${eps}${hint}`);
}

/** Eps of the curve, or none. */
export function curve(text: string): readonly number[] {
  return text === 'none' ? [] : text.split(',').map(size);
}

/** A part of all: `0.4`, `2/5`. */
export function part(text: string): number {
  const value = fraction(text);
  if (value >= 0 && value <= 1) return value;
  const hint = value > 1 && value <= 100 ? ` (did you mean ${value / 100}?)` : '';
  throw new InvalidArgumentError(`It must be a fraction from 0 to 1, got ${text}${hint}.`);
}

/** A length of time, in seconds: `90`, `90s`, `10m`, `2h`. */
export function duration(text: string): number {
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)([smh])?$/.exec(text) ?? [];
  const seconds = Number(number) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'];
  if (seconds > 0 && seconds < 2 ** 21) return seconds;
  throw new InvalidArgumentError(`It must be a length of time such as 90s, 10m or 2h; got ${text}.`);
}

/** The id of a check. */
export function check(text: string): string {
  if (auditChecks.some(({ id }) => id === text)) return text;
  throw new InvalidArgumentError(
    `It must be some of ${auditChecks.map(({ id }) => id).join(',')}; got ${text}.`,
  );
}
