import { html } from 'hono/html';
import type { CellEvaluation, Evaluation } from '../../runtime/experiment/evaluation.ts';
import type { AttackSettings, Measure } from '../../runtime/audit/schema.ts';
import { drawLines, plotWidth, ticksWithRoom, type Line, type Panel } from '../kit/chart.ts';
import { evaluationCommand } from './command.ts';
import { sourceNames } from './sources.ts';
import type { DataTable, Figured } from '../kit/data-table.ts';
import { brackets, count, percent } from '../kit/format.ts';
import { dataTable, panelGrid, type Markup } from '../kit/markup.ts';
import { matrixTables } from './matrix.ts';
import { cellTitle, type Cell } from './results.ts';
import { colour } from '../kit/theme.ts';

/** An `evaluation.json`, and what it was read from. */
export interface NamedEvaluation {
  readonly evaluation: Evaluation;
  readonly source: string;
}

/** An evaluation with its cells called as the report calls them; those of no result keep the name of their folder. */
export function withTitles<E extends NamedEvaluation>(named: E, cells: readonly Cell[]): E {
  const { evaluation } = named;
  const titles = new Map(
    evaluation.cells.map(({ folder, models }) => {
      const own = cells.find((cell) => cell.folder === folder && cell.models.c1 === models.c1);
      return [folder, own ? cellTitle(own) : folder];
    }),
  );
  const titled = <T extends { readonly folder: string }>(all: readonly T[]): T[] =>
    all.map((each) => ({ ...each, folder: titles.get(each.folder) ?? each.folder }));
  return {
    ...named,
    evaluation: {
      ...evaluation,
      cells: titled(evaluation.cells),
      curves: titled(evaluation.curves),
      doublings: titled(evaluation.doublings),
      warnings: titled(evaluation.warnings),
    },
  };
}

const names = ['c1', 'c2'] as const;
type Name = (typeof names)[number];

/** How each attack is drawn. */
const styles = {
  noise: { colour: colour('muted'), symbol: 'circle' },
  fgsm: { colour: colour('blue'), symbol: 'square' },
  pgd: { colour: colour('orange'), symbol: 'triangle' },
  attacker: { colour: colour('green'), symbol: 'diamond' },
  worst: { colour: colour('purple'), symbol: 'star' },
} as const;

/** An attack's name with the number of its steps: `PGD-40`. */
export function attackTitle(attack: keyof typeof styles, settings: readonly AttackSettings[]): string {
  const pgd = settings.find((each) => each.attack === 'pgd');
  const titles = {
    noise: 'noise',
    fgsm: 'FGSM',
    pgd: pgd?.attack === 'pgd' ? `PGD-${pgd.steps}` : 'PGD',
    attacker: 'attacker',
    worst: 'worst case',
  };
  return titles[attack];
}

/** Every hyper-parameter of an attack, in words. */
export const describeAttack = ({ attack, ...settings }: AttackSettings): string =>
  [attack, ...Object.entries(settings).map(([name, value]) => `${name} ${value}`)].join(', ');

/**
 * Accuracy under every attack, for each evaluation: the table of its cells, curves over eps, the cross-attack matrix.
 *
 * @param evaluations one or more.
 */
export const attackSection = (
  evaluations: readonly (NamedEvaluation & { readonly panels: readonly Panel[] })[],
): Markup =>
  html`<h2 id="attacks">Accuracy under attack</h2>
    <p>
      How many test images each classifier still gets right, with the 95 % interval (Wilson) in brackets. The
      attacks know the weights of C1 (white-box). C2 is shown the images that were made for C1 (transfer).
      <strong>Quote the worst case</strong>: there an image counts as right only if it is right under every
      attack. It is an upper bound on robust accuracy.
    </p>
    ${evaluations.map((each, i) => evaluationPart(each, evaluations.length > 1 ? sourceNames(evaluations)[i]! : ''))}`;

function evaluationPart(
  { evaluation, source, panels }: NamedEvaluation & { readonly panels: readonly Panel[] },
  name: string,
): Markup {
  const suffix = name && `, ${name}`;
  return html`${name && html`<h3>Evaluation ${name}</h3>`}
    <p class="muted">
      On
      ${evaluation.data.images === 1 ? 'the first test image' : `the first ${count(evaluation.data.images, 'test image')}`}.
    </p>
    ${dataTable(`Accuracy under attack${suffix}`, attackTable(evaluation), { stacked: true })}
    ${panels.length === 0 ? '' : curves(evaluation, panels, suffix)}
    ${evaluation.matrix ? matrixTables(evaluation.matrix, suffix) : ''}
    <details>
      <summary>
        Settings of the attacks, the
        command${evaluation.doublings.length > 0 ? ', whether PGD takes enough steps' : ''}
      </summary>
      <ul>
        ${evaluation.attacks.map((attack) => html`<li>${describeAttack(attack)}</li>`)}
      </ul>
      <p>
        Step sizes are in parts of eps.
        ${evaluation.matrix ? '' : 'No cross-attack matrix was measured (evaluate --matrix).'} Measured by
        <code>${evaluationCommand(evaluation)}</code> at commit
        <code>${evaluation.environment.commit ?? 'not a checkout'}</code> on ${evaluation.environment.device}
        in ${evaluation.environment.seconds} s. Read from <code>${source}</code>.
      </p>
      ${doublings(evaluation, suffix)}
    </details>`;
}

const curves = (evaluation: Evaluation, panels: readonly Panel[], suffix: string): Markup =>
  html`<h3>Accuracy against eps${suffix}</h3>
    <p>
      Noise, FGSM and PGD are computed anew at each eps, on the first
      ${count(Math.min(...evaluation.curves.map(({ images }) => images)), 'image')}. At eps 0 stands the clean
      accuracy. A trained attacker is measured only at the eps that it was trained for, and so is the worst
      case. The eps axis has a square-root scale.
    </p>
    ${panelGrid(panels)}
    <details>
      <summary>The numbers of the curves</summary>
      ${dataTable(`Numbers of the curves${suffix}`, curveTable(evaluation))}
    </details>`;

/** An accuracy with its interval: `98.7 % [98.5, 98.9]`. */
const withInterval = ({ accuracy, interval }: Measure): Figured => ({
  value: percent(accuracy),
  detail: brackets(interval),
  lost: 1 - accuracy,
});

/** The classifiers of a cell: C1 alone where C2 is the same model, because none was given to transfer to. */
const classifiersIn = ({ models }: Pick<CellEvaluation, 'models'>): readonly Name[] =>
  models.c1 === models.c2 ? ['c1'] : names;

/** A line for each classifier of each cell, a column an attack. */
export function attackTable({ attacks, cells }: Evaluation): DataTable {
  const columns = attacks.map(({ attack }) => attack);
  return {
    head: [
      'cell',
      'range',
      'classifier',
      'clean',
      ...columns.map((attack) => attackTitle(attack, attacks)),
      'worst case',
    ],
    rows: cells.flatMap((cell) =>
      classifiersIn(cell).flatMap((name) => {
        const measured = cell[name];
        if (!measured) return [];
        return [
          [
            cell.folder,
            cell.clip ? 'clipped' : 'unclipped',
            `${name.toUpperCase()}, ${measured.knowledge}`,
            withInterval(measured.clean),
            ...columns.map((attack) => {
              const measure = measured.attacks[attack];
              return measure ? withInterval(measure) : '';
            }),
            withInterval(measured.worst),
          ],
        ];
      }),
    ),
  };
}

/** A panel for each classifier that has curves; a line an attack. */
export function curvePanels({ attacks, cells, curves: all }: Evaluation, id: string): readonly Panel[] {
  const models = [...new Set(all.map(({ model }) => model))];
  const clean = (model: string, classifier: Name): number | undefined =>
    cells.find((cell) => cell.models[classifier] === model)?.[classifier]?.clean.accuracy;
  return models.map((model, i) => {
    const own = all.filter((curve) => curve.model === model);
    const { classifier, folder, knowledge, clip } = own[0]!;
    const untouched = clean(model, classifier);
    const start =
      untouched === undefined
        ? []
        : [{ x: 0, y: 100 * untouched, low: 100 * untouched, high: 100 * untouched }];
    const lines: Line[] = [
      ...own
        .filter((curve) => curve.classifier === classifier)
        .map(({ attack, points }) => ({
          label: attackTitle(attack, attacks),
          ...styles[attack],
          points: [
            ...(points[0]?.eps === 0 ? [] : start),
            ...points.map(({ eps, ...measure }) => point(eps, measure)),
          ],
        })),
      ...(['attacker', 'worst'] as const).map((attack) => ({
        label: attackTitle(attack, attacks),
        ...styles[attack],
        points: trainedPoints(cells, model, classifier, attack),
      })),
    ].filter(({ points }) => points.length > 0);
    const largest = Math.max(...lines.flatMap(({ points }) => points.map(({ x }) => x)));
    const width = plotWidth(Math.max(...lines.map(({ label }) => label.length)));
    const trained = cells.filter((cell) => cell.models[classifier] === model).map(({ eps }) => eps);
    const x = {
      label: 'eps',
      type: 'sqrt' as const,
      domain: [0, largest] as const,
      ticks: [
        ...ticksWithRoom(
          lines.flatMap(({ points }) => points.map(({ x: eps }) => eps)),
          trained,
          (eps) => width * Math.sqrt(eps / largest),
          34,
        ),
      ],
      tickFormat: String,
    };
    const description = lines
      .map(
        ({ label, points }) => `${label}: ${points.map((p) => `${p.y.toFixed(1)} % at ${p.x}`).join(', ')}`,
      )
      .join('; ');
    const title = `${classifier.toUpperCase()} of ${folder}, ${knowledge}, ${clip ? 'clipped' : 'unclipped'}`;
    return drawLines(
      lines,
      { x, y: { label: 'accuracy (%)', domain: [0, 100], ticks: 5 } },
      { id: `${id}${i + 1}`, title, description },
    );
  });
}

const point = (eps: number, { accuracy, interval }: Measure) => ({
  x: eps,
  y: 100 * accuracy,
  low: 100 * interval.low,
  high: 100 * interval.high,
});

/** What the trained attackers, or all attacks together, leave of a classifier, at the eps of their cells. */
const trainedPoints = (
  cells: readonly CellEvaluation[],
  model: string,
  classifier: Name,
  attack: 'attacker' | 'worst',
): Line['points'] =>
  cells
    .filter((cell) => cell.models[classifier] === model)
    .flatMap((cell) => {
      const measured = cell[classifier];
      const measure = attack === 'worst' ? measured?.worst : measured?.attacks.attacker;
      return measure ? [point(cell.eps, measure)] : [];
    })
    .sort((a, b) => a.x - b.x);

const curveTable = ({ curves: all, attacks }: Evaluation): DataTable => ({
  head: ['classifier', 'attack', 'images', 'eps', 'accuracy'],
  rows: all.flatMap(({ folder, classifier, attack, images, points }) =>
    points.map(({ eps, ...measure }) => [
      `${classifier.toUpperCase()} of ${folder}`,
      attackTitle(attack, attacks),
      String(images),
      String(eps),
      withInterval(measure),
    ]),
  ),
});

const doublings = ({ doublings: all }: Evaluation, suffix: string): Markup | string =>
  all.length === 0
    ? ''
    : html`<p>
          PGD was repeated with twice the steps on some images. A difference of less than one point means that
          the steps are enough.
        </p>
        ${dataTable(
          `PGD with twice the steps${suffix}`,
          {
            head: ['cell', 'images', 'steps', 'accuracy', 'with twice the steps'],
            rows: all.map(({ folder, images, steps, accuracy, doubled }) => [
              folder,
              String(images),
              String(steps),
              percent(accuracy),
              percent(doubled),
            ]),
          },
          { stacked: true },
        )}`;
