import { html } from 'hono/html';
import { hasTransfer, type Mode } from '../../runtime/experiment/config.ts';
import { count, list } from '../kit/format.ts';
import type { Markup } from '../kit/markup.ts';
import { testImages, trainImages, type Cell } from './results.ts';

/** The threat model in the words of the field: goal, knowledge, norm, range, data. */
export function threatHeader(cells: readonly Cell[]): Markup {
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
        white-box on C1: the attacker is trained through C1's gradients.
        ${cells.some(({ config }) => hasTransfer(config)) ? 'C2 has the same architecture and other weights, and the attacker never sees it: transfer.' : ''}
      </dd>
      <dt>training</dt>
      <dd>${unique((cell) => trainedOn[cell.mode](cell)).map((each) => html`<div>${each}</div>`)}</dd>
      ${
        cells.some(({ config }) => config.readings?.length)
          ? html`<dt>readings</dt>
              <dd>
                ${unique(({ config }) => readingsOf(config.readings)).map((each) => html`<div>${each}</div>`)}
              </dd>`
          : ''
      }
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

const trainedOn: Readonly<Record<Mode, (cell: Cell) => string>> = {
  consecutive: () => 'consecutive: C1 and C2 on clean images, then the attacker against the frozen C1',
  alternating: () =>
    'alternating: C1 and C2 on clean images, then attacker and C1 in turns, a batch each, C1 on attacked images; C2 goes on with clean ones',
  hardened: ({ config: { defence } }) =>
    `hardened: C1 and C2 on clean images, then C1 on images under gradient attacks (${defence!.method}, ${count(defence!.epochs, 'epoch')}), then the attacker against the frozen C1`,
};

/** What is different from the cells without readings: `docs/sweeps.md` has the same in a table. */
const readAs: Readonly<Record<NonNullable<Cell['config']['readings']>[number], string>> = {
  dcgan: 'the attacker by Adam with learning rate 2e-4 and beta1 0.5, from small kernels',
  'target-batch-statistics': 'C1 normalises by the batch while the attacker learns',
  'batch-statistics': 'every network normalises by the batch, also when it is measured',
  'separate-batches': 'attacker and C1 learn on separate halves of a batch',
  'five-attacker-steps': 'a step of C1 at every fifth of the attacker',
  'clean-too': 'C1 learns from clean images as well',
};

const readingsOf = (taken: Cell['config']['readings'] = []): string =>
  taken.length > 0 ? taken.map((name) => `${name}: ${readAs[name]}`).join('; ') : 'ours';

const images = (n: number | null, what: string): string =>
  n === null ? `all ${what} images` : count(n, `${what} image`);
