import { attackOf, type AttackName, type SettingsOf } from './index.ts';
import type { LossName } from './oracle.ts';

/** The values that a setting may have, in words and as data. */
export type Domain =
  Numbers | { readonly kind: 'choice'; readonly words: string; readonly values: readonly string[] };

interface Numbers {
  readonly kind: 'integer' | 'number';
  readonly words: string;
  readonly least: number;
  /** Whether the least itself is left out. */
  readonly above: boolean;
  readonly most: number;
  /** Whether null may stand for a value that the attack chooses. */
  readonly nullable: boolean;
}

type Keys<T> = T extends unknown ? keyof T : never;
/** The names of all settings but `loss`, whose values are each attack's own. */
type Setting = Exclude<
  { [N in AttackName]: string extends keyof SettingsOf<N> ? never : Keys<SettingsOf<N>> }[AttackName],
  'loss'
>;

const numbers = (
  kind: 'integer' | 'number',
  words: string,
  { least = 0, above = false, most = Infinity } = {},
): Numbers => ({ kind, words, least, above, most, nullable: false });

const count = numbers('integer', 'an integer from 1 on', { least: 1 });

const domains: { readonly [S in Setting]: Numbers } = {
  steps: count,
  restarts: count,
  stepSize: numbers('number', 'a number above 0, in parts of eps', { above: true }),
  queries: count,
  targets: count,
  images: count,
  rounds: count,
  updates: count,
  shrinkOver: count,
  part: numbers('number', 'a number above 0 and at most 1', { above: true, most: 1 }),
  decay: numbers('number', 'a number from 0 on'),
};

/** The attacks that climb a loss of one's choice. */
type Climber = {
  [N in AttackName]: SettingsOf<N> extends { readonly loss: string } ? N : never;
}[AttackName];

const losses: { readonly [N in Climber]: readonly (SettingsOf<N> & { readonly loss: string })['loss'][] } = {
  apgd: ['ce', 'dlr', 'margin'],
  'apgd-t': ['dlr', 'difference'],
};

/** The values that a setting of an attack may have. */
export function domainOf(attack: AttackName, setting: string): Domain {
  if (setting !== 'loss') {
    const domain = domains[setting as Setting];
    const defaults = attackOf(attack).defaults as Readonly<Record<string, unknown>>;
    // an attack that has a number by default knows no other way
    return defaults[setting] === null
      ? { ...domain, words: `${domain.words}, or null`, nullable: true }
      : domain;
  }
  const values = losses[attack as Climber];
  return { kind: 'choice', words: `one of ${values.join(', ')}`, values };
}

/** Whether a value is one of them. */
export function isIn(domain: Domain, value: unknown): boolean {
  if (domain.kind === 'choice') return (domain.values as readonly unknown[]).includes(value);
  if (value === null) return domain.nullable;
  const { kind, least, above, most } = domain;
  if (!(kind === 'integer' ? Number.isInteger(value) : Number.isFinite(value))) return false;
  const number = value as number;
  return (above ? number > least : number >= least) && number <= most;
}

/** The losses whose gradients an attack may ask for, whatever its settings and its goal. */
export const climbed: { readonly [N in AttackName]: readonly LossName[] } = {
  noise: [],
  fgsm: ['gap'],
  pgd: ['gap'],
  'pgd-adam': ['margin', 'difference'],
  'mi-fgsm': ['gap'],
  apgd: ['gap', 'dlr', 'margin', 'dlr-targeted'],
  'apgd-t': ['dlr-targeted', 'difference'],
  fab: ['difference'],
  // of its surrogate, not of the classifier
  transfer: [],
  square: [],
  generator: [],
  universal: [],
};
