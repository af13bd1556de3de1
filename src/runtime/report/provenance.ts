import { html } from 'hono/html';
import { hasTransfer } from '../config.ts';
import { wilson } from '../evaluation/wilson.ts';
import { trainingCommand } from './command.ts';
import type { DataTable } from './figures.ts';
import { count, list, percent } from './format.ts';
import { dataTable, scroll, type Markup } from './markup.ts';
import { testImages, type Cell } from './results.ts';

/** An accuracy with the half width of its interval where the number of images is known. */
function accuracy(cell: Cell, score: { readonly accuracy: number } | undefined): string {
  if (!score) return '';
  const n = testImages(cell);
  if (n === null) return percent(score.accuracy);
  const { low, high } = wilson(score.accuracy * n, n);
  return `${percent(score.accuracy)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
}

/** What training measured of every cell after its last epoch. */
export const cellTable = (cells: readonly Cell[]): Markup =>
  html`<p>
      Accuracy after the last epoch, with Wilson's 95 % interval over the test images. Noise is uniform in
      [-eps, eps], the least that an attack must beat.
    </p>
    ${dataTable('Final accuracies of every cell', cellData(cells))}`;

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
    cell.mode,
    String(cell.eps),
    cell.clip ? 'clipped' : 'unclipped',
    String(cell.seed),
    `${cell.config.classifierEpochs} + ${cell.config.attackerEpochs}`,
    ...(['c1', 'c2'] as const).flatMap((name) =>
      (['clean', 'noise', 'attacked'] as const).map((view) =>
        name === 'c2' && !hasTransfer(cell.config) ? '' : accuracy(cell, cell.final[name][view]),
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
