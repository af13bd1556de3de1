import { html, raw } from 'hono/html';
import { wilson } from '../../runtime/audit/wilson.ts';
import type { Audit } from '../../runtime/audit/document.ts';
import { brackets } from '../kit/format.ts';
import type { Markup } from '../kit/markup.ts';
import { headline, type Headline } from './headline.ts';
import { part, tallyOf } from './words.ts';

/** A part of the images used. */
export interface OutcomePart {
  readonly kind: 'left' | 'unclear' | 'fooled' | 'wrong';
  readonly name: string;
  readonly images: number;
}

/** What became of the images: those that no attack changed, that were fooled, and that were wrong without an attack. */
export function outcomeOf(audit: Audit): readonly OutcomePart[] {
  const { left, fooled, wrong } = tallyOf(audit);
  const own = audit.data.labels === 'answers';
  const { kind } = headline(audit);
  return [
    { kind: kind === 'measured' ? 'left' : 'unclear', name: leftName(audit, kind), images: left },
    { kind: 'fooled', name: own ? 'another answer under an attack' : 'fooled by an attack', images: fooled },
    ...(own ? [] : [{ kind: 'wrong', name: 'wrong without an attack', images: wrong } as const]),
  ];
}

/** It is called robust accuracy only where it can be believed. */
function leftName({ data, complete }: Audit, kind: Headline['kind']): string {
  switch (kind) {
    case 'doubt':
      return 'left by these attacks, which proves nothing';
    case 'nothing':
      return 'not put to the test';
    case 'measured':
      if (data.labels === 'answers') return `same answer under every attack${complete ? '' : ' so far'}`;
      return `right under every attack${complete ? ': robust accuracy' : ' so far'}`;
    default:
      return kind satisfies never;
  }
}

/** The parts as a bar, and their numbers. */
export function outcomeBar(audit: Audit): Markup {
  const parts = outcomeOf(audit);
  return html`<div class="outcome">
    <div class="whole" aria-hidden="true">
      ${parts.map(({ kind, images }) =>
        images === 0 ? '' : html`<span class="${kind}" style="${raw(`flex-grow:${images}`)}"></span>`,
      )}
    </div>
    <dl>
      ${parts.map(
        ({ kind, name, images }) =>
          html`<div>
            <dt><span class="key ${kind}"></span>${name}</dt>
            <dd>
              <strong>${part(images / audit.images)}</strong>
              <span class="interval"
                >${images.toLocaleString('en-US')} images, ${brackets(wilson(images, audit.images))} %</span
              >
            </dd>
          </div>`,
      )}
    </dl>
  </div>`;
}
