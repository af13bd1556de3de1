import { html, raw } from 'hono/html';
import { attackSection, type NamedEvaluation } from './attacks.ts';
import type { Panel } from '../kit/chart.ts';
import { collapses, confusionSection, type ConfusedCell } from './confusion.ts';
import { percent } from '../kit/format.ts';
import { threatHeader } from './header.ts';
import { summary } from './headline.ts';
import { scroll, type Markup } from '../kit/markup.ts';
import { courseSection, paperSection, type Part } from './paper.ts';
import { cellTable, provenance } from './provenance.ts';
import { cellTitle, type Cell } from './results.ts';
import { styleSheet } from '../kit/style.ts';
import { warningBox } from './warnings.ts';
import { withstandSection, type WithstandGroup } from './withstand.ts';

/** A cell's `samples.png`. */
export interface SampledCell {
  readonly cell: Cell;
  readonly png: Uint8Array;
}

/** Everything that a page shows. */
export interface Report {
  /** Where the results came from, such as the name of the run. */
  readonly title: string;
  readonly parts: readonly Part[];
  readonly evaluations: readonly (NamedEvaluation & { readonly panels: readonly Panel[] })[];
  readonly withstands: readonly (WithstandGroup & { readonly panels: readonly Panel[] })[];
  readonly samples: readonly SampledCell[];
  readonly confused: readonly ConfusedCell[];
}

/** The report as one page that needs nothing else: no file, no network, no script. */
export async function renderPage({
  title,
  parts,
  evaluations,
  withstands,
  samples,
  confused,
}: Report): Promise<string> {
  const cells = parts.flatMap(({ threat }) => threat.cells);
  const warnings = evaluations.flatMap(({ evaluation }) => evaluation.warnings);
  const course = courseSection(parts);
  const sections: readonly (readonly [id: string, name: string])[] = [
    ...(samples.length > 0 ? [['samples', 'Samples'] as const] : []),
    ['attacks', 'Accuracy under attack'],
    ...(withstands.length > 0 ? [['withstand', 'Who withstands whom'] as const] : []),
    ...(confused.length > 0 ? [['confusion', 'Confusion'] as const] : []),
    ...(course === '' ? [] : [['course', 'Epochs and eps'] as const]),
    ['threat-model', 'Threat model'],
    ['paper', 'The paper'],
    ...(evaluations.length > 0 ? [['cells', 'Every cell'] as const] : []),
    ['provenance', 'Provenance'],
  ];
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>Robustness report · ${title} · Sparring</title>
        <style>
          ${raw(styleSheet)}
        </style>
      </head>
      <body>
        <header>
          <p class="kicker">Sparring · ${title}</p>
          <h1>Robustness report</h1>
          ${summary(cells, evaluations, collapses(confused), missing(cells, evaluations, confused))}
          ${warnings.length === 0 ? '' : warningBox(warnings)}
          <nav aria-label="Sections">
            <ul>
              ${sections.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}
            </ul>
          </nav>
        </header>
        <main>
          ${samples.length === 0 ? '' : sampleSection(samples)}
          ${
            evaluations.length === 0
              ? html`<h2 id="attacks">Accuracy under attack</h2>
                  ${cellTable(cells)}`
              : attackSection(evaluations)
          }
          ${withstands.length === 0 ? '' : withstandSection(withstands)}
          ${confused.length === 0 ? '' : confusionSection(confused)} ${course} ${threatHeader(cells)}
          ${paperSection(parts)}
          ${
            evaluations.length === 0
              ? ''
              : html`<h2 id="cells">Every cell</h2>
                  ${cellTable(cells)}`
          }
          <h2 id="provenance">Where the numbers come from</h2>
          ${provenance(cells)}
        </main>
        <footer>
          <p>
            Accuracy under an attack is an upper bound on robust accuracy: another attack may find more. No
            number here proves that a classifier is robust.
          </p>
        </footer>
      </body>
    </html> `;
  return String(await page);
}

/** What a reader may look for and not find, and how to get it. */
const missing = (
  cells: readonly Cell[],
  evaluations: readonly NamedEvaluation[],
  confused: readonly ConfusedCell[],
): readonly Markup[] => [
  ...(evaluations.length > 0
    ? []
    : [
        html`Not measured: FGSM, PGD, the worst case, accuracy against eps. Run
          <code>npx -y pnpm@10 evaluate ${runOf(cells)}</code>.`,
      ]),
  ...(confused.length > 0
    ? []
    : [
        html`Not recorded: which class is read as which. Runs trained by this version record it in
          <code>confusion.json</code>.`,
      ]),
];

/** The folder of the run that a cell comes from. */
const runOf = ([cell]: readonly Cell[]): string => cell!.source.replace(/[\\/]?[^\\/]*$/, '') || '.';

function sampleSection([first, ...more]: readonly SampledCell[]): Markup {
  const several = more.length > 0;
  return html`<h2 id="samples">Samples</h2>
    ${picture(first!, several)}
    ${more.map(
      (each) =>
        html`<details>
          <summary>${cellTitle(each.cell)}</summary>
          ${picture(each, several)}
        </details>`,
    )}`;
}

const picture = ({ cell, png }: SampledCell, several: boolean): Markup => {
  const { clean, attacked } = cell.final.c1;
  const alt = `The first test image of each class: as it is, what the attacker adds, and the sum; with what C1 says before and after. C1 falls from ${percent(clean.accuracy)} to ${percent(attacked!.accuracy)}.`;
  return scroll(
    several ? `Picture of samples, ${cellTitle(cell)}` : 'Picture of samples',
    html`<img
      class="samples"
      alt="${alt}"
      width="936"
      height="434"
      src="data:image/png;base64,${Buffer.from(png).toString('base64')}"
    />`,
  );
};
