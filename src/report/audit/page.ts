import { html, raw } from 'hono/html';
import type { Audit } from '../../runtime/audit/document.ts';
import type { Markup } from '../kit/markup.ts';
import { attackSection } from './attacks.ts';
import { checkSection, doubtBox } from './checks.ts';
import { classSection } from './classes.ts';
import { curveSection } from './curve.ts';
import { withFlags } from './flags.ts';
import { headline } from './headline.ts';
import { outcomeBar } from './outcome.ts';
import { notMeasuredSection, provenance, threatSection } from './provenance.ts';
import { changeLegend, demandPictures, isPicture, sampleCards, type AuditPictures } from './samples.ts';
import { auditStyle } from './style.ts';
import { verdictOf } from './verdict.ts';
import { unbroken } from './words.ts';

/**
 * An audit as one page that needs nothing else: no file, no network, no script.
 *
 * @throws RangeError when the pictures are not those of the audit's samples.
 */
export async function auditPage(audit: Audit, pictures: AuditPictures): Promise<string> {
  demandPictures(audit, pictures);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>Robustness audit · ${audit.classifier.name} · Sparring</title>
        <style>
          ${raw(auditStyle)}
        </style>
      </head>
      <body>
        <header>
          <p class="kicker">Sparring · robustness audit on ${audit.data.name}</p>
          <h1>${audit.classifier.name}</h1>
          ${opening(audit)} ${verdictPart(audit)} ${outcomeBar(audit)} ${navigation(audit)}
        </header>
        <main>
          ${sampleSection(audit, pictures)} ${attackSection(audit)} ${curveSection(audit)}
          ${classSection(audit)} ${checkSection(audit)} ${notMeasuredSection(audit)} ${threatSection(audit)}
          ${provenance(audit)}
        </main>
        <footer>
          <p>
            Accuracy under attack is an upper bound on robust accuracy: another attack may find more. No
            number here proves that a classifier is robust.
          </p>
        </footer>
      </body>
    </html> `;
  return String(await page);
}

function opening(audit: Audit): Markup {
  const { kind, text, more } = headline(audit);
  return html`${kind === 'doubt' ? doubtBox(audit, text) : html`<p class="headline">${unbroken(text)}</p>`}
  ${more.map((each, i) => html`<p class="${i === 0 && !audit.complete ? 'finding' : ''}">${unbroken(each)}</p>`)}`;
}

function verdictPart(audit: Audit): Markup | string {
  const verdict = verdictOf(audit);
  if (!verdict) return '';
  const state = (met: boolean): string => (met ? 'met' : 'unmet');
  return html`<ul class="demands">
    <li><span class="badge ${state(verdict.met)}">${verdict.word}</span></li>
    ${verdict.lines.map(
      ({ met, text }) =>
        html`<li class="${state(met)}">
          <span class="mark" aria-hidden="true">${met ? '✓' : '✗'}</span
          ><span class="away">${met ? 'met: ' : 'not met: '}</span>${withFlags(text)}
        </li>`,
    )}
    ${verdict.accepted.length === 0 ? '' : html`<li>Accepted doubts: ${verdict.accepted.join(', ')}.</li>`}
  </ul>`;
}

const hasPictures = ({ samples, classifier }: Audit): boolean =>
  samples.length > 0 && isPicture(classifier.image);

function navigation(audit: Audit): Markup {
  const sections = [
    ...(!hasPictures(audit) ? [] : [['samples', 'Fooled images'] as const]),
    ['attacks', 'Attacks'],
    ...(audit.curve === null ? [] : [['curve-section', 'Accuracy against eps'] as const]),
    ['classes', 'Classes'],
    ['checks', 'Checks'],
    ['not-measured', 'Not measured'],
    ['threat-model', 'Threat model'],
    ['provenance', 'Provenance'],
  ] as const;
  return html`<nav aria-label="Sections">
    <ul>
      ${sections.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`)}
    </ul>
  </nav>`;
}

function sampleSection(audit: Audit, pictures: AuditPictures): Markup | string {
  if (!hasPictures(audit)) return '';
  return html`<h2 id="samples">Images that it was fooled on</h2>
    <p>
      Left is the image as it is, right the same image after the attack. ${changeLegend(audit)} The weakest
      attacks come first.
    </p>
    ${sampleCards(audit, pictures)}`;
}
