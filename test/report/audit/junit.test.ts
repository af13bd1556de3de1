import { DOMParser } from 'linkedom';
import { expect, test } from 'vitest';
import { auditChecks } from '../../../src/runtime/audit/checks/index.ts';
import { auditJunit } from '../../../src/report/audit/junit.ts';
import { auditOf, checkOf } from '../../support/audits.ts';

/** The document as an XML parser reads it. */
const parsed = (xml: string) => new DOMParser().parseFromString(xml, 'text/xml');

test('every demand and every check is a test, which fails where the demand is not met or the check is in doubt', () => {
  const checked = ['not-a-number', 'near-chance', 'few-images'];
  const doubt = checkOf('near-chance', 'doubt', 'it is so');
  const demand = { kind: 'fail-under' as const, atLeast: 0.9, met: false, text: 'too low' };
  const audit = auditOf({ checks: [doubt], checked, demands: [demand], complete: true, accepted: [] });
  const cases = [...parsed(auditJunit(audit)).querySelectorAll('testcase')];
  expect(cases.map((each) => each.getAttribute('name'))).toEqual([
    'fail-under',
    'complete',
    ...audit.checked,
    ...auditChecks.map(({ id }) => id).filter((id) => !checked.includes(id)),
  ]);
  const skipped = cases.filter((each) => each.querySelector('skipped'));
  expect(skipped.map((each) => each.getAttribute('name'))).toContain('square-better');
  expect(skipped).toHaveLength(auditChecks.length - checked.length);
  const failed = cases.filter((each) => each.querySelector('failure'));
  expect(failed.map((each) => each.getAttribute('name'))).toEqual(['fail-under', doubt.id]);
  expect(failed.map((each) => each.querySelector('failure')!.getAttribute('message'))).toEqual([
    'too low',
    'it is so',
  ]);
  const accepted = parsed(auditJunit({ ...audit, accepted: [doubt.id] }));
  expect(accepted.querySelectorAll('failure')).toHaveLength(1);
});

test('whatever a file is called, the document is XML', () => {
  const name = `a<b>&"c" \u0007\ud800 é.onnx`;
  const xml = auditJunit(auditOf({ classifier: { ...auditOf().classifier, name } }));
  expect(xml).toContain('name="sparring audit a&lt;b&gt;&amp;&quot;c&quot; \ufffd\ufffd é.onnx"');
});
