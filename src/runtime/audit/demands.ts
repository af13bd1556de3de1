import { InputError } from '../errors.ts';
import type { Audit, Check, Demand } from './document.ts';
import type { AuditPlan } from './plan.ts';

/** What is demanded of an audit. */
export interface Demanded {
  /** The least robust accuracy, in 0..1. */
  readonly failUnder: number | null;
  /** An earlier audit, and where it was read. */
  readonly baseline: { readonly source: string; readonly audit: Audit } | null;
  /** Ids of checks that may be in doubt. */
  readonly accepted: readonly string[];
}

export const nothingDemanded: Demanded = { failUnder: null, baseline: null, accepted: [] };

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/**
 * Whether the demands are met: by the robust accuracy, by an audit that was not stopped, and by one whose numbers are in no
 * doubt. The accuracy is an upper bound, so one that is too low is too low also where there is doubt.
 */
export function demandsOf(
  { worst, checks, complete }: Pick<Audit, 'worst' | 'checks' | 'complete'>,
  { failUnder, baseline, accepted }: Demanded,
): { readonly demands: Demand[]; readonly verdict: Audit['verdict'] } {
  const doubts = checks.filter(({ id, level }) => level === 'doubt' && !accepted.includes(id));
  const judge = (kind: Demand['kind'], atLeast: number, from: string): Demand => {
    const enough = worst.accuracy >= atLeast;
    const met = enough && complete && doubts.length === 0;
    const figures = `robust accuracy ${percent(worst.accuracy)}, at least ${percent(atLeast)} demanded (${from})`;
    return {
      kind,
      atLeast,
      met,
      text: enough && !met ? `${figures}, but ${lackOf(complete, doubts)}` : figures,
    };
  };
  const demands = [
    ...(failUnder === null ? [] : [judge('fail-under', failUnder, '--fail-under')]),
    ...(baseline === null
      ? []
      : [
          judge(
            'baseline',
            baseline.audit.worst.interval.low,
            `${baseline.source} has ${percent(baseline.audit.worst.accuracy)} on ${baseline.audit.images} images`,
          ),
        ]),
  ];
  return {
    demands,
    verdict: demands.length === 0 ? 'none' : demands.every(({ met }) => met) ? 'passed' : 'failed',
  };
}

const lackOf = (complete: boolean, doubts: readonly Check[]): string =>
  complete
    ? `it is in doubt: ${doubts.map(({ id }) => id).join(', ')} (--accept)`
    : 'the audit was stopped early';

/** What of an audit that is planned must be as in an earlier one, so that their accuracies can be compared. */
export interface Comparable {
  readonly threat: Pick<Audit['threat'], 'norm' | 'eps'>;
  readonly data: Pick<Audit['data'], 'sha256' | 'chosen'>;
  readonly images: number;
  readonly seed: number;
  readonly attacks: AuditPlan['attacks'];
}

/** Throws InputError, in one line, when an earlier audit is no measure for this one: it was another, stopped or in doubt. */
export function demandComparable(
  { source, audit }: NonNullable<Demanded['baseline']>,
  planned: Comparable,
  accepted: Demanded['accepted'],
): void {
  const { threat, data, images, seed } = planned;
  const doubts = audit.checks.filter(({ id, level }) => level === 'doubt' && !accepted.includes(id));
  const differences = [
    (audit.threat.norm !== threat.norm || Math.abs(audit.threat.eps - threat.eps) > 1e-9) &&
      `is of ${audit.threat.norm} eps ${audit.threat.eps}, not ${threat.norm} eps ${threat.eps}`,
    audit.data.sha256 !== data.sha256 && 'is of other data',
    audit.images !== images && `is of ${audit.images} images, not ${images}`,
    isOtherChoice(audit, data) && 'is of the first images, as an earlier version took them',
    audit.seed !== seed && `is of seed ${audit.seed}, not ${seed}`,
    otherAttacks(audit, planned.attacks),
    !audit.complete && 'was stopped early',
    doubts.length > 0 && `is in doubt: ${doubts.map(({ id }) => id).join(', ')} (--accept)`,
  ];
  const why = differences.find(Boolean);
  if (why) {
    throw new InputError(`--baseline ${source}: ${why}; audit the earlier classifier in the same way first`);
  }
}

/** Whether an earlier audit of the same data has other images: they were chosen otherwise, and are not all that there are. */
export const isOtherChoice = (
  before: Pick<Audit, 'data' | 'images'>,
  { chosen }: Pick<Audit['data'], 'chosen'>,
): boolean => before.data.chosen !== chosen && before.images < before.data.count;

/** How the attacks of an earlier audit differ from those that are planned; null where they do not. */
function otherAttacks(
  { attacks: before, worst }: Pick<Audit, 'attacks' | 'worst'>,
  all: AuditPlan['attacks'],
): string | null {
  // twice the steps measure whether an attack has converged, and nothing that is demanded
  const isAsked = (name: string): boolean => !name.endsWith('-doubled');
  // an attack for which nothing was left is not in the document
  const planned = all.filter(({ name }) => isAsked(name) && (name in before || worst.accuracy > 0));
  const [had, has] = [Object.keys(before).filter(isAsked), planned.map(({ name }) => name)];
  const [lost, added] = [
    had.filter((name) => !has.includes(name)),
    has.filter((name) => !had.includes(name)),
  ];
  if (lost.length > 0) return `has attacks that this one will not have: ${lost.join(', ')}`;
  if (added.length > 0) return `lacks attacks of this one: ${added.join(', ')}`;
  for (const { name, given, configured } of planned) {
    const [old, now]: readonly Readonly<Record<string, unknown>>[] = [
      { ...before[name]!.settings, given: before[name]!.given },
      { ...configured.settings, given },
    ];
    const other = Object.keys({ ...old, ...now }).find((key) => old![key] !== now![key]);
    if (other !== undefined)
      return `has ${name} with ${other} ${String(old![other])}, not ${String(now![other])}`;
  }
  return null;
}
