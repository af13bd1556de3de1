import {
  attackNames,
  attackOf,
  isTrained,
  type SettingsOf,
  type Untrained,
} from '../runtime/attacks/index.ts';
import { domainOf, isIn } from '../runtime/attacks/settings.ts';
import { InputError } from '../runtime/errors.ts';

/** The attacks that need nothing but the classifier. */
export type Method = Exclude<Untrained, 'transfer'>;

/** The names of an attack's settings; none where it has none. */
type Own<S> = { readonly [P in keyof S as string extends P ? never : P]?: S[P] };

/** An attack, and those of its settings that differ from the defaults: `{ method: 'pgd', steps: 100 }`. */
export type MethodOptions<K extends Method = Method> = {
  [N in K]: { readonly method: N } & Own<SettingsOf<N>>;
}[K];

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
    const domain = domainOf(method, name);
    if (isIn(domain, value)) continue;
    throw new InputError(`${name} of ${method} must be ${domain.words}, got ${String(value)}`);
  }
  return { method, settings: { ...defaults, ...Object.fromEntries(own) } as Chosen['settings'] };
}
