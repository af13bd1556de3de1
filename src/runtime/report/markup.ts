import { html } from 'hono/html';
import type { DataTable } from './figures.ts';

/** Markup that is escaped already. */
export type Markup = ReturnType<typeof html>;

/** A wide thing that scrolls by itself on a narrow screen, with the keyboard too. */
export const scroll = (label: string, content: Markup): Markup =>
  html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${content}</div>`;

/** Numbers with their names above and before them. */
export const dataTable = (label: string, { head, rows }: DataTable): Markup =>
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
