import { auditChecks } from '../../runtime/audit/checks/index.ts';
import type { Audit } from '../../runtime/audit/document.ts';

/**
 * An audit as JUnit XML, which CI services show: a test for each demand and each check, which fails where the demand is not
 * met or the check is in a doubt that was not accepted, and is skipped where what the check looks at was not measured. Written here because it is a few lines and one rule of escaping.
 */
export function auditJunit({
  classifier,
  demands,
  checks,
  checked,
  accepted,
  complete,
  timing,
}: Audit): string {
  const suite = `sparring audit ${classifier.name}`;
  const found = new Map(checks.map((check) => [check.id, check]));
  const cases: readonly Case[] = [
    ...demands.map(({ kind, met, text }) => ({ name: kind, failure: met ? null : text, details: text })),
    { name: 'complete', failure: complete ? null : 'the audit was stopped early', details: '' },
    ...checked.map((id): Case => {
      const check = found.get(id);
      const details = check ? `${check.title}\n${check.why}\n${check.whatToDo}` : '';
      const fails = check?.level === 'doubt' && !accepted.includes(id);
      return { name: id, failure: fails ? check.title : null, details };
    }),
  ];
  const skipped = auditChecks.filter(({ id }) => !checked.includes(id));
  const failures = cases.filter(({ failure }) => failure !== null).length;
  const tests = cases.length + skipped.length;
  const counts = `tests="${tests}" failures="${failures}" skipped="${skipped.length}"`;
  const start = (name: string): string =>
    `    <testcase classname="${escaped(suite)}" name="${escaped(name)}"`;
  const time = timing.seconds.toFixed(3);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites ${counts} time="${time}">`,
    `  <testsuite name="${escaped(suite)}" ${counts} time="${time}">`,
    ...cases.map(({ name, failure, details }) => {
      if (failure !== null) {
        return `${start(name)}><failure message="${escaped(failure)}">${escaped(details)}</failure></testcase>`;
      }
      return details === ''
        ? `${start(name)}/>`
        : `${start(name)}><system-out>${escaped(details)}</system-out></testcase>`;
    }),
    ...skipped.map(({ id }) => `${start(id)}><skipped/></testcase>`),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

interface Case {
  readonly name: string;
  /** Null where it passes. */
  readonly failure: string | null;
  readonly details: string;
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text for an element or an attribute; characters that XML 1.0 does not have become U+FFFD. */
const escaped = (text: string): string =>
  text
    .replace(/[&<>"]/g, (character) => entities[character]!)
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd');
