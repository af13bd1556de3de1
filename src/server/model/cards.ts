import { attackOf, type AttackName, type Configured, type Goal } from '../../runtime/attacks/index.ts';
import { domainOf, isIn, type Domain } from '../../runtime/attacks/settings.ts';
import { invalid, shorten } from '../problem.ts';
import type { AttackOffer, Bounds } from './catalogue.ts';

/** What a client must know of an attack to ask for it. */
export interface AttackCard {
  readonly name: AttackName;
  readonly title: string;
  readonly access: string;
  readonly norms: readonly string[];
  readonly goals: readonly string[];
  /** Each with its default, and in the words of JSON Schema what it may be. */
  readonly settings: Readonly<Record<string, SettingCard>>;
}

type Value = number | string | null;

export interface SettingCard {
  readonly default: Value;
  readonly type?: readonly string[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

/** What this server allows of a setting beyond what the attack does. */
const mostOf = (setting: string, most: Bounds): number =>
  ({ steps: most.steps, queries: most.queries, restarts: most.restarts })[setting] ?? Infinity;

/** The settings of an attack that a request leaves out: the attack's own, or as much as is allowed. */
function defaultsOf(name: AttackName, most: Bounds): Readonly<Record<string, Value>> {
  const own = attackOf(name).defaults as Readonly<Record<string, Value>>;
  return Object.fromEntries(
    Object.entries(own).map(([setting, value]) => [
      setting,
      typeof value === 'number' ? Math.min(value, mostOf(setting, most)) : value,
    ]),
  );
}

/** What an attack that is offered can aim at. */
export const goalsOf = (
  { untargeted }: Pick<AttackOffer, 'untargeted'>,
  name: AttackName,
): readonly Goal[] => (untargeted.includes(name) ? ['untargeted'] : attackOf(name).goals);

/** The cards of the attacks that are offered. */
export const attackCards = (offer: AttackOffer): readonly AttackCard[] =>
  offer.names.map((name) => {
    const { most } = offer;
    const { access, norms, title } = attackOf(name);
    const defaults = defaultsOf(name, most);
    return {
      name,
      title: title(defaults as never),
      access,
      norms,
      goals: goalsOf(offer, name),
      settings: Object.fromEntries(
        Object.entries(defaults).map(([setting, value]) => [
          setting,
          settingCard(domainOf(name, setting), value, mostOf(setting, most)),
        ]),
      ),
    };
  });

function settingCard(domain: Domain, value: Value, allowed: number): SettingCard {
  if (domain.kind === 'choice') return { default: value, enum: domain.values };
  const { kind, least, above, most, nullable } = domain;
  const maximum = Math.min(most, allowed);
  return {
    default: value,
    type: nullable ? [kind, 'null'] : [kind],
    ...(above ? { exclusiveMinimum: least } : { minimum: least }),
    ...(maximum < Infinity && { maximum }),
  };
}

/**
 * An attack with all its settings.
 *
 * @param given those that a request names.
 * @throws Problem when the attack has no such setting, or it may not have this value.
 */
export function configured(
  name: AttackName,
  given: Readonly<Record<string, unknown>>,
  { most }: AttackOffer,
): Configured {
  const defaults = defaultsOf(name, most);
  for (const [field, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, field)) {
      const limit = Object.keys(defaults);
      throw invalid({ field, message: `${name} has no such setting`, value: shorten(value), limit });
    }
    const domain = domainOf(name, field);
    const allowed = mostOf(field, most);
    if (!isIn(domain, value)) {
      throw invalid({
        field,
        message: `It must be ${domain.words}`,
        value: shorten(value),
        limit: domain.words,
      });
    }
    if (typeof value === 'number' && value > allowed) {
      throw invalid({ field, message: 'It is more than this server allows', value, limit: allowed });
    }
  }
  return { attack: name, settings: { ...defaults, ...given } } as Configured;
}
