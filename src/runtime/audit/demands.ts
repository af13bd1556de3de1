import { InputError } from '../errors.ts';
import type { Audit, Check, Demand } from './document.ts';

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

/** Throws InputError when an earlier audit is no measure for this one. */
export function demandComparable(
  { source, audit }: NonNullable<Demanded['baseline']>,
  {
    threat,
    data,
  }: { readonly threat: Pick<Audit['threat'], 'norm' | 'eps'>; readonly data: Pick<Audit['data'], 'sha256'> },
): void {
  const wayOut = 'audit the earlier classifier in the same way first';
  if (audit.threat.norm !== threat.norm || Math.abs(audit.threat.eps - threat.eps) > 1e-9) {
    throw new InputError(
      `--baseline ${source}: is of ${audit.threat.norm} eps ${audit.threat.eps}, not ${threat.norm} eps ${threat.eps}; ${wayOut}`,
    );
  }
  if (audit.data.sha256 !== data.sha256)
    throw new InputError(`--baseline ${source}: is of other data; ${wayOut}`);
  if (!audit.complete) throw new InputError(`--baseline ${source}: was stopped early; ${wayOut}`);
}
