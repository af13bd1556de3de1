import {
  attackNames,
  attackOf,
  isTrained,
  type SettingsOf,
  type Untrained,
} from '../runtime/attacks/index.ts';
import { InputError } from '../runtime/errors.ts';

/** The attacks that need nothing but the classifier. */
export type Method = Exclude<Untrained, 'transfer'>;

/** The names of an attack's settings; none where it has none. */
type Own<S> = { readonly [P in keyof S as string extends P ? never : P]?: S[P] };

/** An attack, and those of its settings that differ from the defaults: `{ method: 'pgd', steps: 100 }`. */
export type MethodOptions<K extends Method = Method> = {
  [N in K]: { readonly method: N } & Own<SettingsOf<N>>;
}[K];

type Setting = Exclude<{ [N in Method]: keyof Own<SettingsOf<N>> }[Method], 'loss'>;
/** The attacks that climb a loss of one's choice. */
type Climber = { [N in Method]: SettingsOf<N> extends { readonly loss: string } ? N : never }[Method];
type Check = readonly [allowed: string, check: (value: unknown) => boolean];

const count: Check = ['an integer from 1 on', (x) => Number.isInteger(x) && (x as number) >= 1];

/** The losses that an attack can climb. */
const losses: { readonly [N in Climber]: readonly (SettingsOf<N> & { readonly loss: string })['loss'][] } = {
  apgd: ['ce', 'dlr', 'margin'],
  'apgd-t': ['dlr', 'difference'],
};

/** The values that each setting may have; those of `loss` are the attack's own. */
const checks: { readonly [S in Setting]: Check } = {
  steps: count,
  restarts: count,
  stepSize: ['a number above 0, in parts of eps, or null', (x) => x === null || (isFinite(x) && x > 0)],
  queries: count,
  targets: count,
  shrinkOver: ['an integer from 1 on, or null', (x) => x === null || count[1](x)],
  part: ['a number above 0 and at most 1', (x) => isFinite(x) && x > 0 && x <= 1],
  decay: ['a number from 0 on', (x) => isFinite(x) && x >= 0],
};

const isFinite = (x: unknown): x is number => Number.isFinite(x);

const lossOf = (method: Climber): Check => {
  const names: readonly unknown[] = losses[method];
  return [`one of ${names.join(', ')}`, (x) => names.includes(x)];
};

/** An attack with all its settings. */
export interface Chosen<K extends Method = Method> {
  readonly method: K;
  readonly settings: SettingsOf<K>;
}

/**
 * The attack that options name, with its settings.
 *
 * @param others options that are no settings of the attack.
 * @throws InputError when there is no such attack, or a setting is unknown or out of range.
 */
export function chosen({ method, ...given }: MethodOptions, others: readonly string[] = []): Chosen {
  const known = attackNames.filter((name) => !isTrained(name) && name !== 'transfer');
  if (!known.includes(method)) {
    throw new InputError(`there is no attack ${String(method)}; there are ${known.join(', ')}`);
  }
  const defaults: object = attackOf(method).defaults;
  const own = Object.entries(given).filter(([name, value]) => !others.includes(name) && value !== undefined);
  for (const [name, value] of own) {
    if (!Object.hasOwn(defaults, name)) {
      const names = Object.keys(defaults).join(', ') || 'none';
      throw new InputError(`${method} has no setting ${name}; its settings are: ${names}`);
    }
    const [allowed, check] = name === 'loss' ? lossOf(method as Climber) : checks[name as Setting];
    if (!check(value)) throw new InputError(`${name} of ${method} must be ${allowed}, got ${String(value)}`);
  }
  return { method, settings: { ...defaults, ...Object.fromEntries(own) } as Chosen['settings'] };
}
