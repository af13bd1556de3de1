import type { Audit } from '../../runtime/audit/document.ts';
import { doubtsOf } from './words.ts';

/** What was demanded, and whether it is met. */
export interface Verdict {
  readonly met: boolean;
  /** `Passed`, `Failed`. */
  readonly word: string;
  readonly lines: readonly { readonly met: boolean; readonly text: string }[];
  /** Ids of checks in doubt that do not count, because the user accepts them. */
  readonly accepted: readonly string[];
}

/** Null where nothing was demanded. */
export function verdictOf(audit: Audit): Verdict | null {
  const { verdict, demands, accepted } = audit;
  if (verdict === 'none') return null;
  return {
    met: verdict === 'passed',
    word: { passed: 'Passed', failed: 'Failed' }[verdict],
    lines: demands.map(({ met, text }) => ({ met, text })),
    accepted: doubtsOf(audit)
      .map(({ id }) => id)
      .filter((id) => accepted.includes(id)),
  };
}
