import { html } from 'hono/html';
import {
  accuracyByClass,
  collapseOf,
  describeCollapse,
  imagesByClass,
  type BeforeAfter,
  type Confusion,
} from '../../runtime/audit/confusion.ts';
import { type Confusions } from '../../runtime/experiment/records.ts';
import { count, percent } from '../kit/format.ts';
import { heat, scroll, type Markup } from '../kit/markup.ts';
import { cellTitle, classifiersOf, type Cell, type ClassifierName } from './results.ts';

/** A cell with the classes that its classifiers answered. */
export interface ConfusedCell {
  readonly cell: Cell;
  readonly confusions: Confusions;
}

/** Matrices with more classes are too wide to read; their most frequent mistakes are listed instead. */
const mostClasses = 20;
const mostMistakes = 12;

/** A sentence for each classifier of these cells that gives one answer to most attacked images. */
export const collapses = (cells: readonly ConfusedCell[]): readonly string[] =>
  cells.flatMap(({ cell, confusions }) =>
    classifiersOf([cell]).flatMap((name) => {
      const collapse = collapseOf(confusions[name].attacked);
      if (!collapse) return [];
      const line = describeCollapse(collapse, name.toUpperCase());
      return [cells.length === 1 ? line : `${cellTitle(cell)}: ${line}`];
    }),
  );

/** Which class is read as which: accuracy of each class, and confusion matrices before and after the attack. */
export const confusionSection = (cells: readonly ConfusedCell[]): Markup =>
  html`<h2 id="confusion">Which class is read as which</h2>
    <p>
      A row holds the images of one class; its numbers say how many per cent of them the classifier reads as
      each class. Right answers are on the diagonal. Before the attack it holds nearly everything. Full
      columns beside it show what an attack turns images into. 0 % is left blank.
    </p>
    ${cells.map((each, i) =>
      cells.length === 1
        ? cellPart(each, '')
        : html`<details ${i === 0 ? 'open' : ''}>
            <summary>${cellTitle(each.cell)}, ${each.cell.clip ? 'clipped' : 'unclipped'}</summary>
            ${cellPart(each, `, ${cellTitle(each.cell)}, ${each.cell.clip ? 'clipped' : 'unclipped'}`)}
          </details>`,
    )}`;

const cellPart = ({ cell, confusions }: ConfusedCell, name: string): Markup =>
  html`${classifiersOf([cell]).map((classifier) => classifierPart(classifier, confusions[classifier], name))}`;

function classifierPart(name: ClassifierName, { clean, attacked }: BeforeAfter, where: string): Markup {
  const title = name.toUpperCase();
  const tables =
    clean.length <= mostClasses
      ? html`${matrix(`${title} before the attack${where}`, 'Before the attack', clean)}
        ${matrix(`${title} under the attacker${where}`, 'Under the attacker', attacked)}`
      : mistakes(`Most frequent mistakes of ${title} under the attacker${where}`, attacked);
  return html`<h3>
      ${title}${name === 'c1' ? ', which the attacker is trained against' : ', which the attacker never saw'}
    </h3>
    <div class="confusion">
      ${bars(`Accuracy of ${title} by class${where}`, { clean, attacked })} ${tables}
    </div>`;
}

const bars = (label: string, { clean, attacked }: BeforeAfter): Markup => {
  const [before, after] = [accuracyByClass(clean), accuracyByClass(attacked)];
  const images = imagesByClass(clean);
  const bar = (kind: string, value: number | null): Markup =>
    value === null
      ? html`<td>no images</td>`
      : html`<td class="bar ${kind}" style="--part:${value.toFixed(4)}">${percent(value)}</td>`;
  return scroll(
    label,
    html`<table class="bars">
      <caption>
        Accuracy by class
      </caption>
      <thead>
        <tr>
          <th scope="col">class</th>
          <th scope="col">clean</th>
          <th scope="col">under the attacker</th>
        </tr>
      </thead>
      <tbody>
        ${before.map(
          (value, label_) =>
            html`<tr>
              <th scope="row" title="${count(images[label_]!, 'image')}">${label_}</th>
              ${bar('before', value)}${bar('after', after[label_]!)}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
};

/** Whole per cents; what is less than half of one but not nothing is `<1`. */
function share(n: number, images: number): string {
  if (n === 0) return '';
  const whole = Math.round((100 * n) / images);
  return whole === 0 ? '<1' : String(whole);
}

const matrix = (label: string, caption: string, confusion: Confusion): Markup => {
  const images = imagesByClass(confusion);
  return scroll(
    label,
    html`<table class="matrix">
      <caption>
        ${caption}, in %
      </caption>
      <thead>
        <tr>
          <th scope="col">class</th>
          ${confusion.map((_, answer) => html`<th scope="col"><span class="away">read as </span>${answer}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${confusion.map(
          (row, label_) =>
            html`<tr>
              <th scope="row">${label_}</th>
              ${row.map((n, answer) => {
                const part = images[label_] === 0 ? 0 : n / images[label_]!;
                return html`<td
                  class="${answer === label_ ? 'right' : 'wrong'}"
                  ${heat(part)}
                  title="${n} of ${count(images[label_]!, 'image')}"
                >
                  ${share(n, images[label_]!)}
                </td>`;
              })}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
};

const mistakes = (label: string, confusion: Confusion): Markup => {
  const images = imagesByClass(confusion);
  const found = confusion
    .flatMap((row, from) => row.map((n, to) => ({ from, to, n })))
    .filter(({ from, to, n }) => from !== to && n > 0)
    .toSorted((a, b) => b.n - a.n)
    .slice(0, mostMistakes);
  return scroll(
    label,
    html`<table>
      <caption>
        Most frequent mistakes under the attacker
      </caption>
      <thead>
        <tr>
          <th scope="col">class</th>
          <th scope="col">read as</th>
          <th scope="col">images</th>
          <th scope="col">of the class</th>
        </tr>
      </thead>
      <tbody>
        ${found.map(
          ({ from, to, n }) =>
            html`<tr>
              <th scope="row">${from}</th>
              <td>${to}</td>
              <td>${n}</td>
              <td>${percent(n / images[from]!)}</td>
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
};
