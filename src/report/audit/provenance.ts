import { html } from 'hono/html';
import type { Audit } from '../../runtime/audit/document.ts';
import { count } from '../kit/format.ts';
import type { Markup } from '../kit/markup.ts';
import { quoted } from '../kit/shell.ts';
import { withFlags } from './flags.ts';
import { duration, epsText, imagesChosen, knowledgeOf, knowledgeWords, normName } from './words.ts';

/** A name, and what there is to say of it. */
type Entry = readonly [name: string, value: Markup | string];

const definitions = (entries: readonly Entry[]): Markup =>
  html`<dl>
    ${entries.map(
      ([name, value]) =>
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;

/** The command that measures all this again. */
export const auditCommand = ({ command }: Audit): string => ['sparring', ...command.map(quoted)].join(' ');

/** The size of a change, and what limits it. */
export function normWords({ norm, eps }: Audit['threat']): string {
  switch (norm) {
    case 'linf':
      return `L∞: no value of a pixel changes by more than ${epsText(eps)}`;
    case 'l2':
      return `L2: the change of all values together is no longer than ${epsText(eps)}`;
    default:
      return norm satisfies never;
  }
}

/** The threat model in the words of the field. */
export function threatSection(audit: Audit): Markup {
  const { threat, preset } = audit;
  const [low, high] = threat.range;
  return html`<h2 id="threat-model">Threat model</h2>
    ${definitions([
      ['goal', 'any wrong class (untargeted)'],
      ['norm', `${normWords(threat)}, where pixels are from 0 to 1`],
      ['range', `attacked pixels stay within ${low} to ${high}`],
      ['knowledge', knowledgeWords[knowledgeOf(audit)]],
      ['attacks', preset === null ? 'as listed in the command' : `the preset ${preset}`],
    ])}`;
}

/** What nobody should read out of the audit. */
export const notMeasuredSection = ({ notMeasured, threat, complete }: Audit): Markup =>
  html`<h2 id="not-measured">What was not measured</h2>
    ${complete ? '' : html`<p class="finding">The audit was stopped early.</p>`}
    <ul>
      ${notMeasured.map(({ what, why }) => html`<li><strong>${what}</strong>: ${why}</li>`)}
      <li>
        Changes of another kind: other norms than ${normName(threat)}, rotation, blur, stickers, other light.
        A classifier may withstand one kind and fail under another.
      </li>
    </ul>`;

const bytesText = (bytes: number): string =>
  bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${Number((bytes / 1e6).toPrecision(3))} MB`;

/** How the file was understood, which images were used, and what measured it. */
export function provenance(audit: Audit): Markup {
  const { classifier, data, seed, environment, timing } = audit;
  const { channels, height, width } = classifier.image;
  return html`<h2 id="provenance">Where the numbers come from</h2>
    <h3>Classifier</h3>
    ${definitions([
      ['file', `${classifier.name}, ${bytesText(classifier.bytes)}`],
      ['SHA-256', html`<code>${classifier.sha256}</code>`],
      ['images', `${channels} x ${height} x ${width} (channels, height, width)`],
      ['classes', String(classifier.classes)],
      ...classifier.facts.map(({ about, text }): Entry => [about, withFlags(text)]),
      ['gradient', gradientWords(audit)],
    ])}
    <h3>Images</h3>
    ${definitions([
      ['data', `${data.name} (${data.source})`],
      ['SHA-256', html`<code>${data.sha256}</code>`],
      ['used', `${imagesChosen(audit)}; seed ${seed}`],
      ['labels', data.labels === 'true' ? 'of the data' : 'none: its own answers without an attack'],
      ...(data.skipped.length === 0 ? [] : [['left out', skipped(audit)] as const]),
    ])}
    <h3>Measured by</h3>
    ${definitions([
      ['Sparring', `${environment.sparring}${environment.commit ? `, commit ${environment.commit}` : ''}`],
      ['runtime', `ONNX Runtime ${environment.onnxruntime}, Node ${environment.node}`],
      [
        'device',
        `${environment.device}, ${count(environment.threads, 'thread')}; ${environment.cpu}, ${environment.platform}`,
      ],
      ['time', duration(timing.seconds)],
    ])}
    <p>To measure it again with the same numbers on the same machine, run:</p>
    <pre tabindex="0" aria-label="Command"><code>${auditCommand(audit)}</code></pre>`;
}

function gradientWords({ classifier: { gradient, selfCheck } }: Audit): string {
  if (!gradient.available) return `none: ${gradient.why ?? 'unknown why'}`;
  if (!selfCheck) return 'available';
  const { images, apart, tolerance } = selfCheck;
  return `available; on ${count(images, 'image')}, the logits of its graph are ${Number(apart.toPrecision(2))} of the largest apart from those of the file (at most ${tolerance} is accepted)`;
}

const skipped = ({ data }: Audit): Markup =>
  html`<details>
    <summary>${count(data.skipped.length, 'image')} that could not be read</summary>
    <ul>
      ${data.skipped.slice(0, 100).map(({ name, reason }) => html`<li>${name}: ${reason}</li>`)}
      ${data.skipped.length > 100 ? html`<li>and ${data.skipped.length - 100} more</li>` : ''}
    </ul>
  </details>`;
