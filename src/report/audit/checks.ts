import { html } from 'hono/html';
import type { Audit, Check } from '../../runtime/audit/document.ts';
import { count, list } from '../kit/format.ts';
import type { Markup } from '../kit/markup.ts';
import { withFlags } from './flags.ts';
import { doubtsOf, sentence } from './words.ts';

/** That nobody can trust the numbers, and why, above all of them. */
export const doubtBox = (audit: Audit, title: string): Markup =>
  html`<section class="warnings" aria-labelledby="doubts">
    <h2 id="doubts" class="headline">${title}</h2>
    ${doubtsOf(audit).map((each) => explained(each, audit))}
  </section>`;

const explained = ({ id, title, why, whatToDo }: Check, { accepted }: Audit): Markup =>
  html`<div class="check">
    <p><strong>${withFlags(sentence(title))}</strong></p>
    <p>${withFlags(why)}</p>
    <p><span class="muted">What to do:</span> ${withFlags(whatToDo)}</p>
    <p class="muted">
      Check: <code>${id}</code>${accepted.includes(id) ? withFlags(', accepted with --accept') : ''}
    </p>
  </div>`;

/** What else was found, and what was looked for and not found. */
export function checkSection(audit: Audit): Markup {
  const { checks, checked } = audit;
  const notes = checks.filter(({ level }) => level === 'note');
  const found = new Set(checks.map(({ id }) => id));
  const passed = checked.filter((id) => !found.has(id));
  const doubts = doubtsOf(audit);
  return html`<h2 id="checks">Checks</h2>
    <p>
      Each check looks for a reason why the numbers do not say how robust the classifier is.
      ${doubts.length === 0 ? 'None casts doubt on them.' : html`In doubt: ${list(doubts.map(({ id }) => id))}, <a href="#doubts">above</a>.`}
    </p>
    ${notes.map((each) => html`<div class="note">${explained(each, audit)}</div>`)}
    ${
      passed.length === 0
        ? ''
        : html`<details>
            <summary>${count(passed.length, 'check')} found nothing</summary>
            <ul class="passed">
              ${passed.map((id) => html`<li><code>${id}</code></li>`)}
            </ul>
          </details>`
    }`;
}
