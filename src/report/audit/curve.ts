import { html, raw } from 'hono/html';
import type { Audit } from '../../runtime/audit/document.ts';
import { drawLines, plotWidth, ticksWithRoom, type Line, type Panel } from '../kit/chart.ts';
import type { DataTable } from '../kit/data-table.ts';
import { brackets, count } from '../kit/format.ts';
import { dataTable, type Markup } from '../kit/markup.ts';
import { colour } from '../kit/theme.ts';
import { doubtsOf, epsText, part } from './words.ts';

type Curve = NonNullable<Audit['curve']>;

const point = (eps: number, { accuracy, interval }: Audit['worst']) => ({
  x: eps,
  y: 100 * accuracy,
  low: 100 * interval.low,
  high: 100 * interval.high,
});

/** Pixels that two names of eps are apart at least. */
const room = 46;

/** Accuracy against eps, the accuracy under all attacks at the eps of the audit, and guessing. */
export function curvePanel(audit: Audit, curve: Curve): Panel {
  const { threat, worst, classifier } = audit;
  const all = Object.keys(audit.attacks).length;
  const lines: readonly Line[] = [
    {
      label: curve.attack.replace(/,.*/, ''),
      colour: colour('blue'),
      symbol: 'circle',
      points: curve.points.map(({ eps, ...measured }) => point(eps, measured)),
    },
    ...(all > 1
      ? [
          {
            label: 'all attacks',
            colour: colour('purple'),
            symbol: 'star',
            points: [point(threat.eps, worst)],
          } as const,
        ]
      : []),
  ];
  const chance = { label: 'guessing', y: 100 / classifier.classes };
  const largest = Math.max(threat.eps, ...curve.points.map(({ eps }) => eps));
  const width = plotWidth(Math.max(...[...lines, chance].map(({ label }) => label.length)));
  const x = {
    label: `eps (${threat.norm === 'linf' ? 'L∞' : 'L2'})`,
    type: 'sqrt' as const,
    domain: [0, largest] as const,
    ticks: [
      ...ticksWithRoom(
        [threat.eps, ...curve.points.map(({ eps }) => eps)],
        [threat.eps],
        (eps) => width * Math.sqrt(eps / largest),
        room,
      ),
    ],
    tickFormat: epsText,
  };
  const description = curve.points
    .map(({ eps, accuracy }) => `${part(accuracy)} at ${epsText(eps)}`)
    .join(', ');
  return drawLines(
    lines,
    { x, y: { label: 'accuracy (%)', domain: [0, 100], ticks: 5 } },
    { id: 'curve', title: `Accuracy of ${classifier.name} under ${curve.attack}`, description },
    chance,
  );
}

/** The numbers of the curve. */
export const curveTable = ({ points }: Curve): DataTable => ({
  head: ['eps', 'accuracy'],
  rows: points.map(({ eps, accuracy, interval }) => [
    epsText(eps),
    { value: part(accuracy), detail: brackets(interval), lost: 1 - accuracy },
  ]),
});

/** How small a change is enough, in a sentence; null where nobody knows. */
export function smallestChange(audit: Audit): string | null {
  const { smallestEps, curve } = audit;
  if (!smallestEps || !curve || smallestEps.images === 0) return null;
  const { median, broken, images } = smallestEps;
  const given = `${count(images, 'image')}${audit.data.labels === 'answers' ? '' : ' that it gets right'}`;
  if (median !== null) return `With an eps of ${epsText(median)} or less, half of the ${given} are fooled.`;
  const largest = epsText(curve.points.at(-1)!.eps);
  const found = `Up to an eps of ${largest}, ${curve.attack} fools it on ${broken} of ${given}, fewer than half.`;
  return doubtsOf(audit).length === 0
    ? found
    : `${found} See the checks before you conclude anything from that.`;
}

/** The curve and its numbers; nothing where none was measured. */
export function curveSection(audit: Audit): Markup | string {
  const { curve } = audit;
  if (!curve) return '';
  const smallest = smallestChange(audit);
  return html`<h2 id="curve-section">Accuracy against eps</h2>
    <p>
      ${curve.attack}, measured anew at each eps on ${count(curve.images, 'image')}; the band is the 95 %
      interval. At ${epsText(audit.threat.eps)}, the eps of the audit, all attacks were run. At any other eps
      they would leave less than this one. The eps axis has a square-root scale. ${smallest ?? ''}
    </p>
    <div class="curve">${raw(curvePanel(audit, curve).svg)}</div>
    <details>
      <summary>The numbers of the curve</summary>
      ${dataTable('Numbers of the curve', curveTable(curve))}
    </details>`;
}
