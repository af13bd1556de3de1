import type { Check } from '../document.ts';
import { constantAnswers, notANumber, probabilities, zeroGradient } from './answers.ts';
import type { AuditCheck, Evidence } from './check.ts';
import { fewImages, lostByRounding, nearChance, ownAnswers, preparation } from './numbers.ts';
import { aboveChance, attackAboveNoise, fgsmBelowPgd, stepsNotEnough } from './order.ts';
import { batchDependent, fewClasses, noGradient, randomAnswers, squareBetter } from './queries.ts';
import { attackerEps, weakAttacks } from './strength.ts';

export type { AuditCheck, Evidence, Preparations } from './check.ts';

/** All that an audit looks for, the gravest first. */
export const auditChecks: readonly AuditCheck[] = [
  notANumber,
  constantAnswers,
  nearChance,
  preparation,
  randomAnswers,
  batchDependent,
  probabilities,
  noGradient,
  zeroGradient,
  weakAttacks,
  aboveChance,
  attackAboveNoise,
  fgsmBelowPgd,
  squareBetter,
  stepsNotEnough,
  attackerEps,
  fewClasses,
  fewImages,
  lostByRounding,
  ownAnswers,
];

/** The checks that could look at what was measured, and what they find. */
export function findingsOf(seen: Evidence): { readonly checks: Check[]; readonly checked: string[] } {
  const applying = auditChecks.filter(({ applies }) => applies?.(seen) ?? true);
  return {
    checks: applying.flatMap(({ id, why, whatToDo, look }) => {
      const found = look(seen);
      return found ? [{ id, why, whatToDo, ...found }] : [];
    }),
    checked: applying.map(({ id }) => id),
  };
}
