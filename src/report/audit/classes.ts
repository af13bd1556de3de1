import { html, raw } from 'hono/html';
import { wilson } from '../../runtime/audit/wilson.ts';
import type { Audit } from '../../runtime/audit/document.ts';
import { brackets, count } from '../kit/format.ts';
import { scroll, type Markup } from '../kit/markup.ts';
import { part } from './words.ts';

type ClassRow = Audit['byClass'][number];

/** The classes to show: the weakest first, and of many only the ends. */
export interface ShownClasses {
  readonly weakest: Audit['byClass'];
  /** How many are left out between the two. */
  readonly between: number;
  readonly strongest: Audit['byClass'];
}

const mostWeak = 10;
const mostStrong = 3;

/** By accuracy under attack, then without one: all classes, or of many the worst ten and the best three. */
export function shownClasses(rows: Audit['byClass']): ShownClasses {
  const sorted = rows.toSorted((a, b) => a.worst - b.worst || a.clean - b.clean || a.label - b.label);
  const between = sorted.length - mostWeak - mostStrong;
  if (between <= 0) return { weakest: sorted, between: 0, strongest: [] };
  return { weakest: sorted.slice(0, mostWeak), between, strongest: sorted.slice(-mostStrong) };
}

/** The interval of an accuracy of a class. */
export const intervalOf = (
  accuracy: number,
  images: number,
): { readonly low: number; readonly high: number } => wilson(Math.round(accuracy * images), images);

/** Accuracy of each class without an attack and under all of them. */
export function classSection({ byClass, data, classifier }: Audit): Markup {
  const { weakest, between, strongest } = shownClasses(byClass);
  const absent = classifier.classes - byClass.length;
  return html`<h2 id="classes">Accuracy by class</h2>
    <p>
      The weakest classes come first.
      ${data.labels === 'answers' ? 'Classes are what it answers without an attack.' : ''}
      ${between > 0 ? `Of ${byClass.length} classes, these are the worst ${weakest.length} and the best ${strongest.length}; all are in audit.json.` : ''}
      ${absent > 0 ? `${absent === 1 ? 'One class has' : `${absent} classes have`} no image here.` : ''}
    </p>
    ${scroll(
      'Accuracy by class',
      html`<table class="bars">
        <thead>
          <tr>
            <th scope="col">class</th>
            <th scope="col">without an attack</th>
            <th scope="col">under every attack</th>
          </tr>
        </thead>
        <tbody>
          ${weakest.map(classRow)}
          ${
            between > 0
              ? html`<tr>
                  <td class="gap" colspan="3">… ${between} classes between …</td>
                </tr>`
              : ''
          }
          ${strongest.map(classRow)}
        </tbody>
      </table>`,
    )}`;
}

const classRow = ({ name, images, clean, worst }: ClassRow): Markup =>
  html`<tr>
    <th scope="row">${name} <span class="interval">${count(images, 'image')}</span></th>
    ${bar('before', clean, images)}${bar('after', worst, images)}
  </tr>`;

const bar = (kind: string, value: number, images: number): Markup =>
  html`<td class="bar ${kind}" style="${raw(`--part:${value.toFixed(4)}`)}">
    ${part(value)} <span class="interval">${brackets(intervalOf(value, images))}</span>
  </td>`;
