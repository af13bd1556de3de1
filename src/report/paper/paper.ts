import { html } from 'hono/html';
import type { Figure } from './figures.ts';
import { list, shortIntervals, slug } from '../kit/format.ts';
import { notOfThePaper, type Judgement } from './judge.ts';
import { dataTable, panelGrid, scroll, type Markup } from '../kit/markup.ts';
import type { ThreatModel } from './results.ts';
import { threatName } from './results.ts';

/** What is shown of one threat model. */
export interface Part {
  readonly threat: ThreatModel;
  readonly judgements: readonly Judgement[];
  readonly figures: readonly Figure[];
}

/** Whether at least half of the cells that a claim is about were measured: with fewer there is little to compare. */
const isComparable = ({ claim, lacking }: Judgement): boolean => 2 * lacking.length <= claim.about.length;

/** A figure of the paper is shown where at least half of its cells were measured. */
const isOfThePaper = (part: Part, { coverage }: Figure): boolean =>
  part.judgements.length > 0 && coverage >= 0.5;

/** A figure that says something without the paper: of several epochs, or of several eps. */
const isOfTheRun = (part: Part, figure: Figure): boolean =>
  figure.panels.length > 0 && figure.hasCourse && !isOfThePaper(part, figure);

/** The figures that a page shows. */
export const shownFigures = (part: Part): readonly Figure[] =>
  part.figures.filter((figure) => isOfThePaper(part, figure) || isOfTheRun(part, figure));

/** Figures beside which the paper has too little to be compared with. */
export const courseSection = (parts: readonly Part[]): Markup | string => {
  const figures = parts.flatMap((part) =>
    part.figures
      .filter((figure) => isOfTheRun(part, figure))
      .map((figure) => ({ figure, name: parts.length > 1 ? `, ${threatName(part.threat)}` : '' })),
  );
  return figures.length === 0
    ? ''
    : html`<h2 id="course">The attack over epochs and eps</h2>
        ${figures.map(
          ({ figure: { id, title, panels, data }, name }) =>
            html`<div id="${id}">
              <h3>${title}${name}</h3>
              ${panelGrid(panels)}
              <details>
                <summary>The numbers</summary>
                ${dataTable(`Numbers of ${title}${name}`, data)}
              </details>
            </div>`,
        )}`;
};

/** The paper's claims and figures beside what was measured, for each threat model. */
export const paperSection = (parts: readonly Part[]): Markup =>
  html`<h2 id="paper">Compared with the paper</h2>
    <p class="muted">
      J. Heidecke,
      <cite>Defending and attacking convolutional image classifiers with generative adversarial training</cite
      >, 2017. A claim or figure appears here when at least half of its cells were measured.
    </p>
    ${parts.map((part) => paperPart(part, parts.length > 1))}`;

function paperPart(part: Part, several: boolean): Markup {
  const { threat, judgements } = part;
  const heading = several
    ? html`<h3 id="${slug(threatName(threat))}" class="threat">${threatName(threat)}</h3>`
    : '';
  if (judgements.length === 0)
    return html`${heading}
      <p>${notOfThePaper}</p>`;
  const comparable = judgements.filter(isComparable);
  const others = judgements.filter((each) => !isComparable(each));
  const figures = part.figures.filter((figure) => isOfThePaper(part, figure));
  const name = several ? `, ${threatName(threat)}` : '';
  return html`${heading}
  ${
    threat.clip && comparable.length > 0
      ? html`<p class="missing">
          Attacked images are clipped to [0, 1] here. The paper's figures are of unclipped images, which are
          easier to attack.
        </p>`
      : ''
  }
  ${comparable.length === 0 ? '' : claimTable(comparable, name)}
  ${others.length === 0 ? '' : notCompared(others, judgements.length, threat)}
  ${figures.map((figure) => figureSection(figure, comparable, name))}`;
}

function notCompared(others: readonly Judgement[], of: number, { clip }: ThreatModel): Markup {
  const lacking = others.flatMap((each) => each.lacking);
  const modes = [...new Set(lacking.map(([mode]) => mode))];
  const eps = [...new Set(lacking.map(([, each]) => each))].toSorted((a, b) => a - b);
  const epochs = Math.max(...others.map(({ claim }) => claim.epochs ?? 0));
  const command = [
    'npx -y pnpm@10 train',
    `--mode ${modes.join(',')}`,
    `--eps ${eps.join(',')}`,
    clip ? '--clip' : '--no-clip',
    ...(epochs > 0 ? [`--attacker-epochs ${epochs}`] : []),
  ].join(' ');
  const which =
    others.length === of
      ? `None of the paper's ${of} claims`
      : `${others.length} of the paper's ${of} claims`;
  return html`<p class="missing">
    ${which} ${others.length === of ? 'can be compared' : 'cannot be compared'}: fewer than half of their
    cells were measured. Train the missing cells with <code>${command}</code>, then report both folders
    together.
  </p>`;
}

const claimTable = (judgements: readonly Judgement[], name: string): Markup =>
  html`<p>95 % intervals (Wilson, over the test images) are in brackets.</p>
    ${scroll(
      `The paper's claims and what was measured${name}`,
      html`<table class="claims" role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th scope="col" role="columnheader">figure</th>
            <th scope="col" role="columnheader">the paper says</th>
            <th scope="col" role="columnheader">reproduced?</th>
            <th scope="col" role="columnheader">we measured</th>
            <th scope="col" role="columnheader">notes</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          ${judgements.map(
            ({ claim, verdict, criteria, missing, caveats }) =>
              html`<tr role="row">
                <td role="cell" data-label="Figure">${claim.figure}</td>
                <td role="cell" data-label="The paper:">${claim.paper}</td>
                <td role="cell" class="verdict" data-label="Reproduced?">
                  <span class="${verdictClass(verdict)}">${verdict}</span>
                </td>
                <td role="cell" data-label="We measured:">
                  ${criteria.map(({ demand, measured, holds }) => html`<div>${holds ? '✓' : '✗'} ${shortIntervals(measured)} <span class="muted">(${demand})</span></div>`)}${missing.length === 0 ? '' : html`<div class="muted">not measured: ${list(missing)}</div>`}
                </td>
                <td role="cell" data-label="Notes:">${list(caveats) || '–'}</td>
              </tr>`,
          )}
        </tbody>
      </table>`,
    )}`;

const verdictClass = (verdict: string): string =>
  verdict.startsWith('yes') ? 'yes' : verdict.startsWith('no') ? 'no' : 'part';

function figureSection(
  { id, number, title, paper, measured, missing, panels, data }: Figure,
  judgements: readonly Judgement[],
  name: string,
): Markup {
  const verdicts = judgements.filter(
    ({ claim, verdict }) => claim.figure === number && verdict !== 'not measured',
  );
  return html`<div id="${id}">
    <h3>Figure ${number}: ${title}${name}</h3>
    <div class="sides">
      <div>
        <h4>The paper</h4>
        <p>${paper}</p>
      </div>
      <div>
        <h4>Measured here</h4>
        ${measured.map((sentence) => html`<p>${sentence}</p>`)}
        ${
          verdicts.length === 0
            ? ''
            : html`<ul>
                ${verdicts.map(({ claim, verdict }) => html`<li><strong>${verdict}</strong>: ${claim.paper}</li>`)}
              </ul>`
        }
        ${missing.length === 0 ? '' : html`<p class="missing">Not measured: ${missing.join('; ')}.</p>`}
      </div>
    </div>
    ${
      panels.length === 0
        ? ''
        : html`${panelGrid(panels)}
            <details>
              <summary>The numbers of figure ${number}</summary>
              ${dataTable(`Numbers of figure ${number}${name}`, data)}
            </details>`
    }
  </div>`;
}
