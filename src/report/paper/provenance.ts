import { html } from 'hono/html';
import { wilson } from '../../runtime/audit/wilson.ts';
import { trainingCommand } from './command.ts';
import type { DataCell, DataTable } from '../kit/data-table.ts';
import { brackets, count, list, percent } from '../kit/format.ts';
import { dataTable, type Markup } from '../kit/markup.ts';
import { cellTitle, classifiersOf, testImages, trainingName, type Cell } from './results.ts';

/** An accuracy with the half width of its interval where the number of images is known. */
function accuracy(cell: Cell, score: { readonly accuracy: number } | undefined): DataCell {
  if (!score) return '';
  const n = testImages(cell);
  if (n === null) return percent(score.accuracy);
  const { low, high } = wilson(score.accuracy * n, n);
  return { value: percent(score.accuracy), detail: brackets({ low, high }), lost: 1 - score.accuracy };
}

/** What training measured of every cell after its last epoch. */
export const cellTable = (cells: readonly Cell[]): Markup =>
  html`<p>
      Accuracy after the last epoch, with the 95 % interval (Wilson) over the test images in brackets. Noise
      is uniform in [-eps, eps]: an attack that does not beat it is useless.
    </p>
    ${dataTable('Final accuracies of every cell', cellData(cells), { stacked: true })}`;

/** Epochs on clean images, of C1 on images under gradient attacks where it is hardened, of the attacker. */
export const epochsOf = ({ config: { classifierEpochs, defence, attackerEpochs } }: Cell): string =>
  [classifierEpochs, ...(defence ? [defence.epochs] : []), attackerEpochs].join(' + ');

/** A line a cell: what it is, and its final accuracies with intervals. */
export const cellData = (cells: readonly Cell[]): DataTable => ({
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
    trainingName(cell),
    String(cell.eps),
    cell.clip ? 'clipped' : 'unclipped',
    String(cell.seed),
    epochsOf(cell),
    ...(['c1', 'c2'] as const).flatMap((name) =>
      (['clean', 'noise', 'attacked'] as const).map((view) =>
        classifiersOf([cell]).includes(name) ? accuracy(cell, cell.final[name][view]) : '',
      ),
    ),
  ]),
});

/** Hyper-parameters, environment, hashes and the command, once for the cells that share them. */
export const provenance = (cells: readonly Cell[]): Markup =>
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
      Each command trains its cell again. It is reproducible bit for bit on the same commit, machine, device
      and thread count.
    </p>
    ${cells.map(
      (cell) =>
        html`<details ${cells.length === 1 ? 'open' : ''}>
          <summary>
            ${cellTitle(cell)}${cells.length === 1 ? '' : `, ${cell.clip ? 'clipped' : 'unclipped'}`}
          </summary>
          <p><code>${trainingCommand(cell)}</code></p>
          <dl>
            ${Object.entries(cell.models).map(
              ([name, hash]) =>
                html`<dt>${name}, SHA-256</dt>
                  <dd><code>${hash}</code></dd>`,
            )}
          </dl>
        </details>`,
    )}`;

/** Cells by the file that they came from. */
const grouped = (cells: readonly Cell[]): readonly (readonly Cell[])[] =>
  [...new Set(cells.map(({ source }) => source))].map((source) =>
    cells.filter((cell) => cell.source === source),
  );

/** How C1 of the hardened cells was trained; nothing where there are none. */
function hardening(cells: readonly Cell[]): Readonly<Record<string, string>> {
  const defence = cells.find(({ config }) => config.defence)?.config.defence;
  if (!defence) return {};
  const { method, epochs, ...attack } = defence;
  const settings = Object.entries(attack).map(([name, value]) => `${name} ${value}`);
  return { hardening: `${method}, ${count(epochs, 'epoch')} of C1; ${settings.join(', ')}` };
}

function settings(cells: readonly Cell[]): Readonly<Record<string, Markup | string>> {
  const { config, environment } = cells[0]!;
  return {
    cells: String(cells.length),
    seeds: list([...new Set(cells.map(({ seed }) => seed))]),
    ...hardening(cells),
    epochs: `${config.classifierEpochs} of C1 and C2 on clean images, ${config.attackerEpochs} of the attacker`,
    optimizer: `Adam, learning rate ${config.learningRate}, batches of ${config.batchSize}`,
    ...(config.targets && {
      targets: `the attacker is trained on the mean loss of ${config.targets} classifiers`,
    }),
    ...(config.against && {
      'trained against': html`${config.against.source}, SHA-256 <code>${config.against.sha256}</code>`,
    }),
    'data, SHA-256': html`<code>${config.data.sha256}</code>`,
    'Sparring, commit': html`${environment.sparring}, <code>${environment.commit ?? 'not a checkout'}</code>`,
    device: `${config.device}, ${count(config.threads, 'thread')}; ${environment.cpu}, ${environment.platform}`,
    runtime: `ONNX Runtime ${environment.onnxruntime}, Node ${environment.node}`,
    'wall time': `${environment.seconds} s (the last session of the run)`,
  };
}
