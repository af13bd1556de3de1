import { html, raw } from 'hono/html';
import type { Matrix } from '../../runtime/experiment/evaluation.ts';
import { count, percent } from '../kit/format.ts';
import { scroll, type Markup } from '../kit/markup.ts';

/** Every attacker against every classifier, the less is left the stronger the colour; and the same on shared images. */
export const matrixTables = (
  { attackers, classifiers, images, clean, attacked, transfer }: Matrix,
  suffix: string,
): Markup =>
  html`<h3>Cross-attack matrix${suffix}</h3>
    <p>
      Accuracy in % of the classifier in the column under the attacker in the row, on
      ${count(images, 'test image')}.
    </p>
    ${heatTable(
      `Accuracy under attack, attackers by classifiers${suffix}`,
      classifiers.map(({ name, architecture }) => `${name} (${architecture})`),
      [
        { name: 'no attack', cells: clean.map(({ accuracy }) => ({ accuracy })) },
        ...attackers.map(({ name }, i) => ({
          name,
          cells: attacked[i]!.map(({ accuracy, interval }) => ({
            accuracy,
            title: `95 % interval ${percent(interval.low)} to ${percent(interval.high)}`,
          })),
        })),
      ],
    )}
    <details>
      <summary>The same on images that the classifier and the attacker's own C1 had right</summary>
      ${heatTable(
        `Accuracy on images that both had right${suffix}`,
        classifiers.map(({ name }) => name),
        attackers.map(({ name }, i) => ({
          name,
          cells: transfer[i]!.map(({ images: n, accuracy }) => ({
            accuracy,
            title: count(n, 'image'),
          })),
        })),
      )}
    </details>`;

/** A name that may go to the next line after a hyphen or a slash. */
const breakable = (name: string): readonly Markup[] =>
  name.split(/(?<=[-/])/).map((part) => html`${part}<wbr />`);

/** With more columns than these the names stand upright and the per cent signs go. */
const sparse = 9;

interface Row {
  readonly name: string;
  readonly cells: readonly { readonly accuracy: number | null; readonly title?: string }[];
}

/** Numbers on a background that says how strong an attack is: one hue, so that lightness alone tells. */
const heatTable = (label: string, head: readonly string[], rows: readonly Row[]): Markup =>
  scroll(
    label,
    html`<table class="numbers heat${head.length > sparse ? ' dense' : ''}">
      <thead>
        <tr>
          <th scope="col">attacker</th>
          ${head.map((each) => html`<th scope="col">${breakable(each)}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ name, cells }) =>
            html`<tr>
              <th scope="row">${breakable(name)}</th>
              ${cells.map(({ accuracy, title }) =>
                accuracy === null
                  ? html`<td title="no image">–</td>`
                  : html`<td title="${title ?? ''}" style="${raw(`--lost:${(1 - accuracy).toFixed(3)}`)}">
                      ${head.length > sparse ? percent(accuracy).replace(' %', '') : percent(accuracy)}
                    </td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );
