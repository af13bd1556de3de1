import { html, raw } from 'hono/html';
import type { DataCell, DataTable } from './data-table.ts';

/** Markup that is escaped already. */
export type Markup = ReturnType<typeof html>;

/** A wide thing that scrolls by itself on a narrow screen, with the keyboard too. */
export const scroll = (label: string, content: Markup): Markup =>
  html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${content}</div>`;

/** A background that says how many images are wrong: one hue, so that lightness alone tells. */
export const heat = (lost: number): Markup => html`style="${raw(`--lost:${lost.toFixed(3)}`)}"`;

const content = (cell: DataCell): Markup | string =>
  typeof cell === 'string' ? cell : html`${cell.value} <span class="interval">${cell.detail}</span>`;

/**
 * Numbers with their names above and before them.
 *
 * @param label unique in the page.
 * @param stacked on a phone each row is a card instead of a line; the roles say that it is still a table.
 */
export const dataTable = (
  label: string,
  { head, rows }: DataTable,
  { stacked = false }: { readonly stacked?: boolean } = {},
): Markup =>
  scroll(
    label,
    html`<table class="numbers${stacked ? ' stacked' : ''}${head.length > 12 ? ' wide' : ''}" role="table">
      <thead role="rowgroup">
        <tr role="row">
          ${head.map((each) => html`<th scope="col" role="columnheader">${each}</th>`)}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${rows.map(
          ([first, ...rest]) =>
            html`<tr role="row">
              <th scope="row" role="rowheader">${content(first!)}</th>
              ${rest.map(
                (cell, i) =>
                  html`<td
                    role="cell"
                    ${stacked ? html`data-label="${head[i + 1]!}"` : ''}
                    ${cell === '' ? html`class="empty"` : ''}
                    ${typeof cell !== 'string' && cell.lost !== undefined ? heat(cell.lost) : ''}
                  >
                    ${content(cell)}
                  </td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>`,
  );

/** Drawings side by side, each with its title. */
export const panelGrid = (panels: readonly { readonly title: string; readonly svg: string }[]): Markup =>
  html`<div class="panels">
    ${panels.map(
      ({ title, svg }) =>
        html`<figure>
          <figcaption>${title}</figcaption>
          ${raw(svg)}
        </figure>`,
    )}
  </div>`;
