import type { Audit } from '../../runtime/audit/document.ts';
import { textTable, wrapped } from '../table.ts';

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** What an audit found, as text without colours: doubts first, then the figures, then what was demanded. */
export function auditText(audit: Audit, columns: number): string {
  const { clean, attacks, worst, checks, notMeasured, demands } = audit;
  const interval = ({ low, high }: Audit['worst']['interval']): string =>
    `${percent(low)} to ${percent(high)}`;
  const inDoubt = checks.some(({ level }) => level === 'doubt');
  const rows = [
    ['clean', percent(clean.accuracy), interval(clean.interval), ''],
    ...Object.values(attacks).map(({ title, accuracy, given, attacked, broken, ...row }) => [
      title,
      percent(accuracy),
      interval(row.interval),
      `${broken}/${attacked}${given === 'all' ? '' : ' left'}${row.unfinished ? ', unfinished' : ''}`,
    ]),
    [inDoubt ? 'worst case (*)' : 'worst case', percent(worst.accuracy), interval(worst.interval), ''],
  ];
  return [
    ...checks.flatMap(({ level, id, title, why, whatToDo }) => [
      ...indented(`${level === 'doubt' ? '(*) doubt' : 'note'}: ${title} [${id}]`, columns),
      ...(level === 'doubt' ? indented(`    ${why} ${whatToDo}`, columns) : []),
    ]),
    textTable([headOf(audit), 'accuracy', '95 % interval', 'broken'], rows, columns),
    ...(inDoubt ? ['(*) no proof of robustness: see the doubts above'] : []),
    ...notMeasured.flatMap(({ what, why }) => indented(`not measured: ${what}: ${why}`, columns)),
    ...demands.flatMap(({ met, text }) => indented(`${met ? 'met' : 'NOT MET'}: ${text}`, columns)),
  ].join('\n');
}

const headOf = ({ threat: { norm, eps }, images, data }: Audit): string =>
  `${norm === 'linf' ? 'Linf' : 'L2'} eps ${Number(eps.toPrecision(4))}, ${images} ${images === data.count ? '' : `of ${data.count} `}images`;

function indented(text: string, columns: number): readonly string[] {
  const indent = /^ */.exec(text)![0];
  const [first = '', ...more] = wrapped(text.trim().split(' '), columns - indent.length - 4);
  return [indent + first, ...more.map((line) => `${indent || '    '}${line}`)];
}
