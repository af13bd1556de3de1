import { html, raw } from 'hono/html';
import type { Warning } from '../evaluation/schema.ts';
import { attackSection, type NamedEvaluation } from './attacks.ts';
import type { Panel } from './chart.ts';
import type { Figure } from './figures.ts';
import { count, list, slug, threatName } from './format.ts';
import { threatHeader } from './header.ts';
import { notOfThePaper, type Judgement } from './judge.ts';
import { dataTable, scroll, type Markup } from './markup.ts';
import { cellTable, provenance } from './provenance.ts';
import type { ThreatModel } from './results.ts';
import { styleSheet } from './style.ts';

/** What is shown of one threat model. */
export interface Part {
  readonly threat: ThreatModel;
  readonly judgements: readonly Judgement[];
  readonly figures: readonly Figure[];
}

/** Everything that a page shows. */
export interface Report {
  /** Where the results came from, such as the name of the run. */
  readonly title: string;
  readonly parts: readonly Part[];
  readonly evaluations: readonly (NamedEvaluation & { readonly panels: readonly Panel[] })[];
}

/** The report as one page that needs nothing else: no file, no network, no script. */
export async function renderPage({ title, parts, evaluations }: Report): Promise<string> {
  const cells = parts.flatMap(({ threat }) => threat.cells);
  const warnings = evaluations.flatMap(({ evaluation }) => evaluation.warnings);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>${title} · Sparring report</title>
        <style>
          ${raw(styleSheet)}
        </style>
      </head>
      <body>
        <header>
          <h1>${title}</h1>
          <p class="lead">
            How easily two image classifiers are fooled, beside the paper that the experiment is from: J.
            Heidecke,
            <cite
              >Defending and attacking convolutional image classifiers with generative adversarial
              training</cite
            >, 2017.
          </p>
        </header>
        <main>
          ${warnings.length === 0 ? '' : warningBox(warnings)} ${threatHeader(cells)}
          ${parts.map((part) => partSection(part, parts.length > 1))}
          ${evaluations.map((each) => attackSection(each, each.panels))}
          ${evaluations.length === 0 ? noEvaluation : ''}
          <h2 id="cells">Every cell</h2>
          ${cellTable(cells)}
          <h2 id="provenance">Where the numbers come from</h2>
          ${provenance(cells)}
        </main>
        <footer>
          <p>
            A learned attacker is one attack: the accuracy that it leaves is an upper bound on a classifier's
            robustness, and no claim of robustness.
          </p>
        </footer>
      </body>
    </html> `;
  return String(await page);
}

const noEvaluation = html`<h2>What every attack leaves</h2>
  <p class="missing">
    Not measured in this run: FGSM, PGD, the worst case of each example, accuracy against eps and the
    cross-attack matrix. <code>npx -y pnpm@10 sparring evaluate RUN</code> measures them.
  </p>`;

/** Broken expectations, where nobody can miss them. */
const warningBox = (warnings: readonly Warning[]): Markup =>
  html`<section class="warnings" role="note" aria-labelledby="warnings">
    <h2 id="warnings">${count(warnings.length, 'warning')}</h2>
    <ul>
      ${warnings.map(({ check, folder, classifier, message }) => html`<li>${folder}, ${classifier.toUpperCase()}: ${message} <span class="muted">(${check})</span></li>`)}
    </ul>
  </section>`;

function partSection({ threat, judgements, figures }: Part, several: boolean): Markup {
  const suffix = several ? `, ${threatName(threat)}` : '';
  return html`<h2 id="${slug(threatName(threat))}">The paper and this run${suffix}</h2>
    ${threat.clip ? html`<p class="missing">Attacked images are clipped to [0, 1] here. The paper's figures are of unclipped ones, which are easier to attack with.</p>` : ''}
    ${judgements.length === 0 ? html`<p>${notOfThePaper}</p>` : claimTable(judgements)}
    ${figures.map((figure) => figureSection(figure, judgements))}`;
}

const claimTable = (judgements: readonly Judgement[]): Markup =>
  scroll(
    "The paper's claims and what was measured",
    html`<table class="claims">
      <thead>
        <tr>
          <th scope="col">figure</th>
          <th scope="col">the paper says</th>
          <th scope="col">holds?</th>
          <th scope="col">we measured</th>
          <th scope="col">notes</th>
        </tr>
      </thead>
      <tbody>
        ${judgements.map(
          ({ claim, verdict, criteria, missing, caveats }) =>
            html`<tr>
              <td data-label="Figure">${claim.figure}</td>
              <td data-label="The paper:">${claim.paper}</td>
              <td class="verdict" data-label="Holds?">${verdict}</td>
              <td data-label="We measured:">
                ${criteria.map(({ demand, measured, holds }) => html`<div>${holds ? '✓' : '✗'} ${measured} <span class="muted">(${demand})</span></div>`)}${missing.length === 0 ? '' : html`<div class="muted">not measured: ${list(missing)}</div>`}
              </td>
              <td data-label="Notes:">${list(caveats) || '–'}</td>
            </tr>`,
        )}
      </tbody>
    </table>`,
  );

function figureSection(
  { id, number, title, paper, measured, missing, panels, data }: Figure,
  judgements: readonly Judgement[],
): Markup {
  const verdicts = judgements.filter(
    ({ claim, verdict }) => claim.figure === number && verdict !== 'not measured',
  );
  return html`<section id="${id}" aria-labelledby="${id}-heading">
    <h3 id="${id}-heading">Figure ${number}: ${title}</h3>
    <div class="sides">
      <div>
        <h4>The paper</h4>
        <p>${paper}</p>
      </div>
      <div>
        <h4>Measured here</h4>
        ${measured.map((sentence) => html`<p>${sentence}</p>`)}
        <ul>
          ${verdicts.map(({ claim, verdict }) => html`<li><strong>${verdict}</strong>: ${claim.paper}</li>`)}
        </ul>
        ${missing.length === 0 ? '' : html`<p class="missing">Not measured in this run: ${missing.join('; ')}.</p>`}
      </div>
    </div>
    ${
      panels.length === 0
        ? ''
        : html`<div class="panels">
              ${panels.map(
                ({ title: name, svg }) =>
                  html`<figure>
                    <figcaption>${name}</figcaption>
                    ${raw(svg)}
                  </figure>`,
              )}
            </div>
            <details>
              <summary>The numbers of figure ${number}</summary>
              ${dataTable(`Numbers of figure ${number}`, data)}
            </details>`
    }
  </section>`;
}
