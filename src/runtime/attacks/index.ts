import type { Access, Attack } from './attack.ts';
import { apgd } from './apgd.ts';
import { apgdT } from './apgd-t.ts';
import { fab } from './fab.ts';
import { fgsm } from './fgsm.ts';
import { miFgsm } from './mi-fgsm.ts';
import { noise } from './noise.ts';
import type { Generator, Oracle } from './oracle.ts';
import { pgd } from './pgd.ts';
import { pgdAdam } from './pgd-adam.ts';
import { square } from './square.ts';
import type { ThreatModel } from './threat.ts';
import { generator, universal, type Trained } from './trained.ts';
import { transfer } from './transfer.ts';

export type { Access, Attack, NoSettings } from './attack.ts';
export { toEnd } from './attack.ts';
export { balls, type Ball } from './ball.ts';

export { drawsOf, type Draws } from './draws.ts';
export { someOf, type Batch, type Images, type ImageShape, type Logits } from './images.ts';
export {
  answersOnly,
  type Generator,
  type Gradient,
  type LossName,
  type Oracle,
  type Slope,
} from './oracle.ts';
export type { ApgdSettings } from './apgd.ts';
export type { ApgdTargetedSettings } from './apgd-t.ts';
export type { FabSettings } from './fab.ts';
export type { MiFgsmSettings } from './mi-fgsm.ts';
export type { PgdSettings } from './pgd.ts';
export type { PgdAdamSettings } from './pgd-adam.ts';
export { scoresOf, type Score } from './score.ts';
export { reaches } from './search.ts';
export type { SquareSettings } from './square.ts';
export { to8Bits } from './eight-bits.ts';
export type { Goal, Norm, ThreatModel } from './threat.ts';
export type { Trained } from './trained.ts';
export type { TransferSettings } from './transfer.ts';

/**
 * Every attack, in the order in which they are shown: from the floor to the strongest, then the trained ones. Other
 * tables are mapped over this one, so that a missing row does not compile.
 */
export const attacks = {
  noise,
  fgsm,
  pgd,
  'pgd-adam': pgdAdam,
  'mi-fgsm': miFgsm,
  apgd,
  'apgd-t': apgdT,
  fab,
  transfer,
  square,
  generator,
  universal,
} as const;

/** The name of an attack. */
export type AttackName = keyof typeof attacks;

/** The attacks that need nothing but the classifier. */
export type Untrained = Exclude<AttackName, Trained>;

/** Whether an attack was trained before it is run. */
export const isTrained = (name: AttackName): name is Trained => attacks[name].access === 'model';

/** The settings of an attack. */
export type SettingsOf<K extends AttackName> = (typeof attacks)[K] extends Attack<infer S> ? S : never;

/** An attack and all its settings, as plain data. */
export type Configured<K extends AttackName = AttackName> = {
  readonly [N in K]: { readonly attack: N; readonly settings: SettingsOf<N> };
}[K];

/** The names, in the order of the table. */
export const attackNames = Object.keys(attacks) as readonly AttackName[];

/** An attack by name, for code that treats all alike; it takes the settings of that name. */
export const attackOf = <K extends AttackName>(name: K): Attack<SettingsOf<K>> => rows[name];

const rows: { readonly [K in AttackName]: Attack<SettingsOf<K>> } = attacks;

/** Why an attack cannot be run here, in one line; null where it can. */
export function unsuited(name: AttackName, oracle: Oracle, threat: ThreatModel): string | null {
  const { access, norms, goals } = attackOf(name);
  if (!norms.includes(threat.norm)) {
    return `${name} knows ${norms.join(' and ')} only, not ${threat.norm}; leave it out`;
  }
  if (!goals.includes(threat.goal)) {
    return `${name} is ${goals.join(' or ')} only, not ${threat.goal}; leave it out`;
  }
  const missing: { readonly [A in Access]: string | false } = {
    none: false,
    logits: false,
    surrogate: !oracle.surrogate && "a network that was trained on the classifier's answers",
    gradient: !oracle.gradient && 'gradients of the classifier',
    model: isTrained(name) && lackOfTrained(oracle[name], threat),
  };
  const lack = missing[access];
  return lack ? `${name} needs ${lack}; leave it out` : null;
}

function lackOfTrained(own: Generator | undefined, { goal }: ThreatModel): string | false {
  if (!own) return 'a trained attacker';
  return goal === 'targeted' && !own.targeted && 'an attacker that was trained to aim at a class';
}
