import { html } from 'hono/html';
import type { CellEvaluation } from '../../runtime/experiment/evaluation.ts';
import { attackTitle, type NamedEvaluation } from './attacks.ts';
import type { DataTable } from '../kit/data-table.ts';
import { list, percent } from '../kit/format.ts';
import { dataTable, type Markup } from '../kit/markup.ts';
import {
  classifiersOf,
  testImages,
  threatModels,
  trainingName,
  type Cell,
  type ClassifierName,
} from './results.ts';

/** An evaluated cell, and the evaluation that it stands in. */
interface Evaluated {
  readonly cell: CellEvaluation;
  readonly of: NamedEvaluation;
}

/** What evaluations say of the very models of a cell; the one with most images first. */
function evaluationsOf({ models }: Cell, evaluations: readonly NamedEvaluation[]): readonly Evaluated[] {
  return evaluations
    .flatMap((of) => of.evaluation.cells.map((cell) => ({ cell, of })))
    .filter(({ cell }) => cell.models.c1 === models.c1 && cell.models.attacker === models.attacker)
    .toSorted((a, b) => b.of.evaluation.data.images - a.of.evaluation.data.images);
}

/** `98.8 %`, or `97.9 to 98.8 %` over several cells. */
function range(accuracies: readonly number[]): string {
  const [low, high] = [Math.min(...accuracies), Math.max(...accuracies)].map(percent) as [string, string];
  return low === high ? low : `${low.replace(' %', '')} to ${high}`;
}

/** Accuracies of one classifier of some cells, in words; `worst` is null where nothing was evaluated. */
function accuracies(
  cells: readonly Cell[],
  classifier: ClassifierName,
  evaluations: readonly NamedEvaluation[],
): { readonly clean: string; readonly attacked: string; readonly worst: string | null } {
  const worst = cells.flatMap((cell) => {
    const [best] = evaluationsOf(cell, evaluations);
    const measured = best?.cell[classifier];
    return measured ? [measured.worst.accuracy] : [];
  });
  return {
    clean: range(cells.map(({ final }) => final[classifier].clean.accuracy)),
    attacked: range(cells.map(({ final }) => final[classifier].attacked!.accuracy)),
    worst: worst.length === 0 ? null : range(worst),
  };
}

/** `0.16`, `0.08 and 0.16`, `0.01 to 0.64`. */
function epsOf(cells: readonly Cell[]): string {
  const eps = [...new Set(cells.map((cell) => cell.eps))].toSorted((a, b) => a - b);
  return eps.length > 3 ? `${eps[0]} to ${eps.at(-1)}` : list(eps);
}

const rangesOf = (cells: readonly Cell[]): string =>
  list([...new Set(cells.map(({ clip }) => (clip ? 'clipped' : 'unclipped')))]);

/**
 * What there is to say of one classifier of some cells in a line: `C1: 98.8 % clean, 11.8 % under the attacker, 0.0 % in
 * the worst case; eps 0.16, clipped`.
 */
export function headline(
  cells: readonly Cell[],
  classifier: ClassifierName,
  evaluations: readonly NamedEvaluation[],
): string {
  const { clean, attacked, worst } = accuracies(cells, classifier, evaluations);
  const parts = [
    `${clean} clean`,
    `${attacked} under the attacker`,
    ...(worst === null ? [] : [`${worst} in the worst case`]),
  ];
  return `${classifier.toUpperCase()}: ${parts.join(', ')}; eps ${epsOf(cells)}, ${rangesOf(cells)}`;
}

/** What the numbers of the headline mean, and on how many images they were measured. */
function meaning(cells: readonly Cell[], evaluations: readonly NamedEvaluation[]): string {
  const images = [...new Set(cells.map(testImages))];
  const all = images.map((n) => (n === null ? 'all' : n.toLocaleString('en-US')));
  const tested = `Accuracy on ${list(all)} test images.`;
  const used = cells.flatMap((cell) =>
    evaluationsOf(cell, evaluations)
      .slice(0, 1)
      .map(({ of }) => of),
  );
  if (used.length === 0) return tested;
  const attacks = [
    ...new Set(
      used.flatMap(({ evaluation }) =>
        evaluation.attacks.map(({ attack }) => attackTitle(attack, evaluation.attacks)),
      ),
    ),
  ];
  const worst = [...new Set(used.map(({ evaluation }) => evaluation.data.images.toLocaleString('en-US')))];
  return `${tested} Worst case: each image counts as right only if it is right under ${list(attacks)}; on the first ${list(worst)} test images.`;
}

/** Cells of one threat model and training, a line each. */
function overview(cells: readonly Cell[], evaluations: readonly NamedEvaluation[]): DataTable {
  const threats = threatModels(cells);
  const rows = threats.flatMap(({ cells: own, against }) =>
    [...new Set(own.map(trainingName))].map((training) => {
      const members = own.filter((cell) => trainingName(cell) === training);
      const c1 = accuracies(members, 'c1', evaluations);
      const c2 = classifiersOf(members).includes('c2') ? accuracies(members, 'c2', evaluations) : null;
      return [
        against === null ? training : `${training}, given classifier`,
        rangesOf(members),
        epsOf(members),
        String(members.length),
        c1.clean,
        c1.attacked,
        c1.worst ?? 'not measured',
        c2?.attacked ?? '',
      ];
    }),
  );
  return {
    head: [
      'training',
      'range',
      'eps',
      'cells',
      'C1 clean',
      'C1 under the attacker',
      'C1 worst case',
      'C2 under the attacker',
    ],
    rows,
  };
}

/** The numbers that a reader came for, in large print, and what was not measured, in words. */
export function summary(
  cells: readonly Cell[],
  evaluations: readonly NamedEvaluation[],
  collapses: readonly string[],
  missing: readonly Markup[],
): Markup {
  const [first, second] = classifiersOf(cells);
  const table = overview(cells, evaluations);
  const several = table.rows.length > 1;
  return html`<p class="headline">${headline(cells, first!, evaluations)}</p>
    ${second && !several ? html`<p>${headline(cells, second, evaluations)}. The attacker never saw C2.</p>` : ''}
    ${several ? dataTable('Overview', table, { stacked: true }) : ''}
    ${collapses.map((line) => html`<p class="finding">${line}.</p>`)}
    <p class="muted">${meaning(cells, evaluations)}</p>
    ${
      missing.length === 0
        ? ''
        : html`<ul class="missing">
            ${missing.map((each) => html`<li>${each}</li>`)}
          </ul>`
    }`;
}
