import { html, raw } from 'hono/html';
import type { AttackSettings, CellEvaluation, Evaluation, Measure } from '../evaluation/schema.ts';
import { drawLines, type Line, type Panel } from './chart.ts';
import { evaluationCommand } from './command.ts';
import type { DataTable } from './figures.ts';
import { count, percent } from './format.ts';
import { dataTable, type Markup } from './markup.ts';
import { matrixTables } from './matrix.ts';
import { colour } from './theme.ts';

/** An `evaluation.json`, and what it was read from. */
export interface NamedEvaluation {
  readonly evaluation: Evaluation;
  readonly source: string;
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

/** What every attack leaves: the table of the cells, curves over eps, the cross-attack matrix. */
export const attackSection = ({ evaluation, source }: NamedEvaluation, panels: readonly Panel[]): Markup =>
  html`<h2 id="attacks-${source}">What every attack leaves</h2>
    <p>
      Accuracy left on ${count(evaluation.data.images, 'test image')}, with Wilson's 95 % interval. Attacks on
      C1 know its weights (white-box); C2 gets the same examples (transfer). The worst case is taken for each
      example by itself: right only if it is right under every attack. From ${source}.
    </p>
    ${dataTable('Accuracy left by every attack', attackTable(evaluation))}
    ${panels.length === 0 ? '' : curves(evaluation, panels)}
    ${evaluation.matrix ? matrixTables(evaluation.matrix) : html`<p class="missing">No cross-attack matrix was measured.</p>`}
    ${doublings(evaluation)}
    <h3>Attacks</h3>
    <ul>
      ${evaluation.attacks.map((attack) => html`<li>${describeAttack(attack)}</li>`)}
    </ul>
    <p class="muted">
      Step sizes are in parts of eps. Measured by
      <code>${evaluationCommand(evaluation)}</code> at commit
      <code>${evaluation.environment.commit ?? 'not a checkout'}</code> on ${evaluation.environment.device} in
      ${evaluation.environment.seconds} s.
    </p>`;

const curves = (evaluation: Evaluation, panels: readonly Panel[]): Markup =>
  html`<h3>Accuracy against eps</h3>
    <p>
      FGSM, PGD and noise are made anew at each eps, on
      ${count(Math.min(...evaluation.curves.map(({ images }) => images)), 'image')}; the trained attackers
      stand at the eps that they were trained for, the worst case too. The axis of eps is a square root.
    </p>
    <div class="panels">
      ${panels.map(
        ({ title, svg }) =>
          html`<figure>
            <figcaption>${title}</figcaption>
            ${raw(svg)}
          </figure>`,
      )}
    </div>
    <details>
      <summary>The numbers of the curves</summary>
      ${dataTable('Numbers of the curves', curveTable(evaluation))}
    </details>`;

/** An accuracy with its interval: `98.7 % [98.5, 98.9]`. */
export const withInterval = ({ accuracy, interval }: Measure): string =>
  `${percent(accuracy)} [${(100 * interval.low).toFixed(1)}, ${(100 * interval.high).toFixed(1)}]`;

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
      names.flatMap((name) => {
        // a run against a given classifier may have no C2
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
  return models.map((model, i) => {
    const own = all.filter((curve) => curve.model === model);
    const { classifier, folder, knowledge, clip } = own[0]!;
    const lines: Line[] = [
      ...own.map(({ attack, points }) => ({
        label: attackTitle(attack, attacks),
        ...styles[attack],
        points: points.map(({ eps, ...measure }) => point(eps, measure)),
      })),
      ...(['attacker', 'worst'] as const).map((attack) => ({
        label: attackTitle(attack, attacks),
        ...styles[attack],
        points: trainedPoints(cells, model, classifier, attack),
      })),
    ].filter(({ points }) => points.length > 0);
    const largest = Math.max(...lines.flatMap(({ points }) => points.map(({ x }) => x)));
    const x = {
      label: 'eps',
      type: 'sqrt' as const,
      domain: [0, largest],
      ticks: [0, 0.02, 0.08, 0.16, 0.32, 0.64, 1].filter((tick) => tick <= largest),
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
      { x, y: { label: 'accuracy left (%)', domain: [0, 100], ticks: 5 } },
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
  head: ['classifier', 'attack', 'images', 'eps', 'accuracy left'],
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

const doublings = ({ doublings: all }: Evaluation): Markup | string =>
  all.length === 0
    ? ''
    : html`<h3>Are the steps of PGD enough?</h3>
        <p>Twice the steps, on some images: less than a point apart says so.</p>
        ${dataTable('PGD with twice the steps', {
          head: ['cell', 'images', 'steps', 'left', 'left by twice the steps'],
          rows: all.map(({ folder, images, steps, accuracy, doubled }) => [
            folder,
            String(images),
            String(steps),
            percent(accuracy),
            percent(doubled),
          ]),
        })}`;
