import { html, raw } from 'hono/html';
import { wilson } from '../evaluation/wilson.ts';
import { trainingCommand } from './command.ts';
import type { DataTable, Figure } from './figures.ts';
import { count, list, percent, threatName } from './format.ts';
import type { Judgement } from './judge.ts';
import { isPapers, testImages, trainImages, type Cell, type ThreatModel } from './results.ts';
import { styleSheet } from './style.ts';

/** Markup that is escaped already. */
type Markup = ReturnType<typeof html>;

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
  /** What does not fit together in the measurements. */
  readonly warnings: readonly string[];
}

/** The report as one page that needs nothing else: no file, no network, no script. */
export async function renderPage({ title, parts, warnings }: Report): Promise<string> {
  const cells = parts.flatMap(({ threat }) => threat.cells);
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

const warningBox = (warnings: readonly string[]): Markup =>
  html`<section class="warnings" role="note" aria-labelledby="warnings">
    <h2 id="warnings">${count(warnings.length, 'warning')}</h2>
    <ul>
      ${warnings.map((warning) => html`<li>${warning}</li>`)}
    </ul>
  </section>`;

/** The threat model in the words of the field: goal, knowledge, norm, range, data. */
function threatHeader(cells: readonly Cell[]): Markup {
  const unique = (of: (cell: Cell) => string | number): readonly (string | number)[] => [
    ...new Set(cells.map(of)),
  ];
  return html`<h2 id="threat-model">Threat model</h2>
    <dl>
      <dt>goal</dt>
      <dd>any wrong class (untargeted)</dd>
      <dt>norm</dt>
      <dd>
        L∞: no pixel changes by more than eps; eps ${list(unique(({ eps }) => eps))}, in units of the 0 to 1
        pixel range
      </dd>
      <dt>range</dt>
      <dd>
        ${unique(({ clip }) => ranges[clip ? 'clipped' : 'unclipped']).map((each) => html`<div>${each}</div>`)}
      </dd>
      <dt>bound</dt>
      <dd>${list(unique(({ bound }) => bound))}</dd>
      <dt>knowledge</dt>
      <dd>
        white-box on C1: the attacker is trained through C1's gradients. C2 has the same architecture and
        other weights, and the attacker never sees it: transfer.
      </dd>
      <dt>training</dt>
      <dd>${unique(({ mode }) => trainedOn[mode]).map((each) => html`<div>${each}</div>`)}</dd>
      <dt>data</dt>
      <dd>
        ${list(unique(({ config }) => config.data.source))}:
        ${list(unique((cell) => images(trainImages(cell), 'training')))},
        ${list(unique((cell) => images(testImages(cell), 'test')))}
      </dd>
    </dl>`;
}

const ranges = {
  unclipped: "unclipped: image + perturbation as it is, the paper's reading; floating point",
  clipped: 'clipped: image + perturbation is clipped to [0, 1], a valid image; floating point, not 8-bit',
} as const;

const trainedOn = {
  consecutive: 'consecutive: C1 and C2 on clean images, then the attacker against the frozen C1',
  alternating:
    'alternating: C1 and C2 on clean images, then attacker and C1 in turns, a batch each, C1 on attacked images; C2 goes on with clean ones',
} as const;

const images = (n: number | null, what: string): string =>
  n === null ? `all ${what} images` : count(n, `${what} image`);

function partSection({ threat, judgements, figures }: Part, several: boolean): Markup {
  const suffix = several ? `, ${threatName(threat)}` : '';
  const id = `${threat.clip ? 'clipped' : 'unclipped'}-${threat.bound}`;
  return html`<h2 id="${id}">The paper and this run${suffix}</h2>
    ${isPapers(threat) ? '' : html`<p class="missing">Attacked images are clipped to [0, 1] here. The paper's figures are of unclipped ones, which are easier to attack with.</p>`}
    ${claimTable(judgements)} ${figures.map((figure) => figureSection(figure, judgements))}`;
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
          <th scope="col">differs from the paper in</th>
        </tr>
      </thead>
      <tbody>
        ${judgements.map(
          ({ claim, verdict, criteria, missing, caveats }) =>
            html`<tr>
              <td>${claim.figure}</td>
              <td>${claim.paper}</td>
              <td class="verdict">${verdict}</td>
              <td>
                ${criteria.map(({ demand, measured, holds }) => html`<div>${holds ? '✓' : '✗'} ${measured} <span class="muted">(${demand})</span></div>`)}${missing.length === 0 ? '' : html`<div class="muted">not measured: ${list(missing)}</div>`}
              </td>
              <td>${list(caveats)}</td>
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

/** A wide thing that scrolls by itself on a narrow screen, with the keyboard too. */
const scroll = (label: string, content: Markup): Markup =>
  html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${content}</div>`;

const dataTable = (label: string, { head, rows }: DataTable): Markup =>
  scroll(
    label,
    html`<table class="numbers">
      <thead>
        <tr>
          ${head.map((each) => html`<th scope="col">${each}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first, ...rest]) =>
            html`<tr>
              <th scope="row">${first}</th>
              ${rest.map((each) => html`<td>${each}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );

/** An accuracy with the half width of its interval where the number of images is known. */
function accuracy(cell: Cell, score: { readonly accuracy: number } | undefined): string {
  if (!score) return '';
  const n = testImages(cell);
  if (n === null) return percent(score.accuracy);
  const { low, high } = wilson(score.accuracy * n, n);
  return `${percent(score.accuracy)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
}

const cellTable = (cells: readonly Cell[]): Markup =>
  html`<p>
      Accuracy after the last epoch, with Wilson's 95 % interval over the test images. Noise is uniform in
      [-eps, eps], the least that an attack must beat.
    </p>
    ${dataTable('Final accuracies of every cell', {
      head: [
        'mode',
        'eps',
        'range',
        'seed',
        'epochs',
        'C1 clean',
        'C1 noise',
        'C1 attacked',
        'C2 clean',
        'C2 noise',
        'C2 attacked',
      ],
      rows: cells.map((cell) => [
        cell.mode,
        String(cell.eps),
        cell.clip ? 'clipped' : 'unclipped',
        String(cell.seed),
        `${cell.config.classifierEpochs} + ${cell.config.attackerEpochs}`,
        ...(['c1', 'c2'] as const).flatMap((name) =>
          (['clean', 'noise', 'attacked'] as const).map((view) => accuracy(cell, cell.final[name][view])),
        ),
      ]),
    })}`;

/** Hyper-parameters, environment, hashes and the command, once for the cells that share them. */
const provenance = (cells: readonly Cell[]): Markup =>
  html`${grouped(cells).map(
      (group) =>
        html`<h3>${group[0]!.source}</h3>
          <dl>
            ${Object.entries(settings(group)).map(
              ([name, value]) =>
                html`<dt>${name}</dt>
                  <dd>${value}</dd>`,
            )}
          </dl>`,
    )}
    <h3>Commands and hashes</h3>
    <p>
      Each command trains its cell again; the same commit, machine, device and thread count give the same
      bits.
    </p>
    ${scroll(
      'Commands and hashes of every cell',
      html`<table>
        <thead>
          <tr>
            <th scope="col">cell</th>
            <th scope="col">command</th>
            <th scope="col">SHA-256 of the models</th>
          </tr>
        </thead>
        <tbody>
          ${cells.map(
            (cell) =>
              html`<tr>
                <th scope="row">${cell.folder}</th>
                <td><code>${trainingCommand(cell)}</code></td>
                <td>
                  ${Object.entries(cell.models).map(([name, hash]) => html`<div>${name} <code>${hash}</code></div>`)}
                </td>
              </tr>`,
          )}
        </tbody>
      </table>`,
    )}`;

/** Cells by the file that they came from. */
const grouped = (cells: readonly Cell[]): readonly (readonly Cell[])[] =>
  [...new Set(cells.map(({ source }) => source))].map((source) =>
    cells.filter((cell) => cell.source === source),
  );

function settings(cells: readonly Cell[]): Readonly<Record<string, Markup | string>> {
  const { config, environment } = cells[0]!;
  return {
    cells: String(cells.length),
    seeds: list([...new Set(cells.map(({ seed }) => seed))]),
    epochs: `${config.classifierEpochs} of C1 and C2 on clean images, ${config.attackerEpochs} of the attacker`,
    optimizer: `Adam, learning rate ${config.learningRate}, batches of ${config.batchSize}`,
    'data, SHA-256': html`<code>${config.data.sha256}</code>`,
    'Sparring, commit': html`${environment.sparring}, <code>${environment.commit ?? 'not a checkout'}</code>`,
    device: `${config.device}, ${count(config.threads, 'thread')}; ${environment.cpu}, ${environment.platform}`,
    runtime: `ONNX Runtime ${environment.onnxruntime}, Node ${environment.node}`,
    'wall time': `${environment.seconds} s (the last session of the run)`,
  };
}
