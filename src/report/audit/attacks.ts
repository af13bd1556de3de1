import { html } from 'hono/html';
import type { Audit } from '../../runtime/audit/document.ts';
import type { DataCell, DataTable } from '../kit/data-table.ts';
import { brackets } from '../kit/format.ts';
import { dataTable, type Markup } from '../kit/markup.ts';
import { duration, part } from './words.ts';

type AuditedAttack = Audit['attacks'][string];

/** What an attacker goes by. */
export const accessWords: Readonly<Record<AuditedAttack['access'], string>> = {
  none: 'chance',
  logits: 'answers',
  surrogate: 'a surrogate',
  gradient: 'gradient',
  model: 'another model',
};

const measure = ({ accuracy, interval }: Pick<AuditedAttack, 'accuracy' | 'interval'>): DataCell => ({
  value: part(accuracy),
  detail: brackets(interval),
  lost: 1 - accuracy,
});

/** How often the classifier was asked. */
const asked = (n: number, images: number): DataCell => {
  if (n === 0) return '';
  const each = n / Math.max(1, images);
  return {
    value: n.toLocaleString('en-US'),
    detail: `${each < 9.95 ? Number(each.toFixed(1)) : Math.round(each).toLocaleString('en-US')} an image`,
  };
};

/** A line for each attack in the order in which they ran: what it broke, what that leaves, and what it cost. */
export function attackTable({ attacks, clean, worst, timing }: Audit): DataTable {
  const blank = new Array<string>(3).fill('');
  return {
    head: [
      'attack',
      'goes by',
      'images',
      'broken',
      'accuracy under it alone',
      'under it and all before',
      'answers asked',
      'gradients asked',
      'time',
    ],
    rows: [
      ['no attack', '', '', '', measure(clean), '', ...blank],
      ...Object.entries(attacks).map(([name, attack]) => [
        attack.unfinished ? `${attack.title}, unfinished` : attack.title,
        accessWords[attack.access],
        attack.attacked.toLocaleString('en-US'),
        attack.broken.toLocaleString('en-US'),
        attack.given === 'all' ? measure(attack) : '',
        attack.given === 'left' ? measure(attack) : '',
        asked(attack.queries.forward, attack.attacked),
        asked(attack.queries.backward, attack.attacked),
        timing.attacks[name] === undefined ? '' : duration(timing.attacks[name]),
      ]),
      ['every attack', '', '', '', '', measure(worst), ...blank],
    ],
  };
}

/** All settings of an attack in words: `steps 40, restarts 1`. */
export const settingsOf = ({ settings }: AuditedAttack): string =>
  Object.entries(settings)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

/** What each attack found and cost. */
export const attackSection = (audit: Audit): Markup =>
  html`<h2 id="attacks">Accuracy under each attack</h2>
    <p>
      In brackets stands the 95 % interval (Wilson) over the choice of images. An attack is given all images
      that are right without one, or only those that the attacks before it have left. It costs answers,
      gradients and time.
    </p>
    ${dataTable('Accuracy under each attack', attackTable(audit), { stacked: true })}
    <details>
      <summary>Settings of the attacks</summary>
      <ul>
        ${Object.entries(audit.attacks).map(
          ([name, attack]) => html`<li><code>${name}</code>: ${settingsOf(attack) || 'no settings'}</li>`,
        )}
      </ul>
    </details>`;
