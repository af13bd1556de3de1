import { html } from 'hono/html';
import type { ImageShape } from '../../runtime/attacks/images.ts';
import type { Audit, BrokenImage } from '../../runtime/audit/document.ts';
import type { Markup } from '../kit/markup.ts';
import { asChange, asSeen, drawPixels, type Shade } from '../kit/pixels.ts';
import { className, distanceText, epsText, normName, part } from './words.ts';

/** One broken image: values channel by channel, row by row, 0..1. */
export interface BrokenPixels {
  readonly original: Float32Array;
  readonly attacked: Float32Array;
}

/** The pixels of an audit's samples. */
export interface AuditPictures {
  /** One for each of `samples` of the audit, in that order. */
  readonly samples: readonly BrokenPixels[];
}

/** Images up to this size are drawn as squares and kept exactly; larger ones are photographs, and may be compressed. */
const smallest = 96;

/** What the attack adds to each value. */
export const changeOf = ({ original, attacked }: BrokenPixels): Float32Array =>
  attacked.map((value, i) => value - original[i]!);

/**
 * The change that is drawn in full colour: eps where it limits each pixel, or else the largest change of this image. Above
 * 0.
 */
export function fullChange({ norm, eps }: Audit['threat'], change: Float32Array): number {
  if (norm === 'linf') return eps;
  return change.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
}

/** @throws RangeError when a picture is missing or has another size than the audit says. */
export function demandPictures({ samples, classifier }: Audit, pictures: AuditPictures): void {
  if (pictures.samples.length !== samples.length) {
    throw new RangeError(
      `the audit has ${samples.length} samples, got pictures of ${pictures.samples.length}`,
    );
  }
  const { channels, height, width } = classifier.image;
  pictures.samples.forEach((each, i) => {
    for (const key of ['original', 'attacked'] as const) {
      if (each[key].length === channels * height * width) continue;
      throw new RangeError(
        `samples[${i}].${key} must have ${channels}x${height}x${width} values, got ${each[key].length}`,
      );
    }
  });
}

/** Each broken image before the attack, what the attack adds to it, and after it, with the answers. */
export const sampleCards = (audit: Audit, { samples }: AuditPictures): Markup =>
  html`<ul class="broken${isSharp(audit.classifier.image) ? ' small' : ''}">
    ${audit.samples.map((sample, i) => card(audit, sample, samples[i]!))}
  </ul>`;

function card(audit: Audit, sample: BrokenImage, pixels: BrokenPixels): Markup {
  const { classifier, threat } = audit;
  const [label, before, after] = [sample.label, sample.before.label, sample.after.label].map((each) =>
    className(audit, each),
  ) as [string, string, string];
  const change = changeOf(pixels);
  const picture = (values: Float32Array, shade: Shade, alt: string): Markup => {
    return html`<img src="${encoded(values, classifier.image, shade)}" alt="${alt}" />`;
  };
  const own = audit.data.labels === 'answers';
  return html`<li>
    <p class="turn">
      ${label} <span class="arrow" aria-label="is taken for">→</span> <strong>${after}</strong>
    </p>
    <div class="three">
      <figure>
        ${picture(pixels.original, asSeen, `${label}, before the attack`)}
        <figcaption>
          ${own || before === label ? '' : html`read as ${before}, `}${sure(sample.before)}
        </figcaption>
      </figure>
      <figure>
        ${picture(change, asChange(fullChange(threat, change)), 'what the attack adds')}
        <figcaption>change</figcaption>
      </figure>
      <figure>
        ${picture(pixels.attacked, asSeen, `the same image after the attack, taken for ${after}`)}
        <figcaption class="fooled">${sure(sample.after)}</figcaption>
      </figure>
    </div>
    <p class="muted">
      ${audit.attacks[sample.attack]?.title ?? sample.attack}, ${normName(threat)}
      ${distanceText(sample.distance, threat.eps)}<br />${sample.name ?? `image ${sample.number ?? sample.place}`}
    </p>
  </li>`;
}

const sure = ({ probability }: BrokenImage['before']): string =>
  probability === null ? 'no number' : `${part(probability)} sure`;

/** Whether images can be drawn: grey ones, and those of three colours. */
export const isPicture = ({ channels }: ImageShape): boolean => channels === 1 || channels === 3;

const isSharp = ({ height, width }: ImageShape): boolean => Math.max(height, width) <= smallest;

/** A picture as a page holds it. */
function encoded(values: Float32Array, shape: ImageShape, shade: Shade): string {
  const canvas = drawPixels(values, shape, shade, 1);
  return isSharp(shape) ? canvas.toDataURL('image/png') : canvas.toDataURL('image/webp', 0.92);
}

/** What the colours of the changes mean. */
export function changeLegend({ classifier, threat }: Audit): string {
  const end =
    threat.norm === 'linf' ? `a change by ${epsText(threat.eps)}` : 'the largest change of that image';
  return classifier.image.channels === 1
    ? `In the middle stands the change, amplified: blue is darker, red is brighter, and full colour is ${end}.`
    : `In the middle stands the change, amplified: grey is no change, and a channel is black or full at ${end}.`;
}
