import type { Audit } from '../../runtime/audit/document.ts';
import { count } from '../kit/format.ts';

/**
 * An eps as people write it: `0.1`, and `8/255` where that is exact and four digits are not.
 *
 * @param eps in the unit of pixels in 0..1.
 */
export function epsText(eps: number): string {
  const decimal = Number(eps.toPrecision(4));
  if (Math.abs(decimal - eps) <= 1e-6 * eps) return String(decimal);
  const steps = 255 * eps;
  const whole = Math.round(steps);
  // a distance that was measured in float32 is off by some 1e-8
  return whole > 0 && Math.abs(steps - whole) < 1e-4 ? `${whole}/255` : String(decimal);
}

/** The size of a change, next to the eps that it may have at most. */
export const distanceText = (distance: number, eps: number): string =>
  Math.abs(distance - eps) <= 1e-4 * eps ? epsText(eps) : String(Number(distance.toPrecision(3)));

/** A fraction as a percentage with one decimal that is not rounded to all or nothing: `40.6 %`, `> 99.9 %`, `< 0.1 %`. */
export function part(fraction: number): string {
  const text = (100 * fraction).toFixed(1);
  if (text === '100.0' && fraction < 1) return '> 99.9 %';
  if (text === '0.0' && fraction > 0) return '< 0.1 %';
  return `${text} %`;
}

/** An interval in words: `36.4 to 45.0`. */
export const ends = ({ low, high }: Audit['worst']['interval']): string =>
  `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;

/** Seconds as people say them: `0.1 s`, `98 s`, `3 min 32 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 0.05) return '< 0.1 s';
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The norm of a threat model: `L∞`, `L2`. */
export const normName = ({ norm }: Pick<Audit['threat'], 'norm'>): string => ({ linf: 'L∞', l2: 'L2' })[norm];

/** What an attacker may do, after the word `may`. */
export function allowance({ norm, eps }: Audit['threat']): string {
  switch (norm) {
    case 'linf':
      return `change every pixel by up to ${epsText(eps)}`;
    case 'l2':
      return `change an image by an L2 distance of up to ${epsText(eps)}`;
    default:
      return norm satisfies never;
  }
}

/** The name of a class, as the audit's table of classes, the classifier or the data has it. */
export function className({ byClass, classifier, data }: Audit, label: number): string {
  if (label < 0) return 'not a number';
  const row = byClass.find((each) => each.label === label);
  return row?.name ?? classifier.labels?.[label] ?? data.classes[label] ?? `class ${label}`;
}

/** How many of the images used are still right under every attack, were fooled, and were wrong without an attack. */
export interface Tally {
  readonly images: number;
  readonly left: number;
  readonly fooled: number;
  readonly wrong: number;
}

export function tallyOf({ images, clean, worst }: Pick<Audit, 'images' | 'clean' | 'worst'>): Tally {
  const right = Math.round(images * clean.accuracy);
  const left = Math.round(images * worst.accuracy);
  return { images, left, fooled: right - left, wrong: images - right };
}

/** The checks that say that the accuracy under attack cannot be trusted. */
export const doubtsOf = ({ checks }: Pick<Audit, 'checks'>): Audit['checks'] =>
  checks.filter(({ level }) => level === 'doubt');

/** What an attacker goes by. */
type Knowledge = Audit['attacks'][string]['access'];

/** What the strongest attack that was tried goes by; `none` where there is none. */
export function knowledgeOf({ attacks }: Pick<Audit, 'attacks'>): Knowledge {
  const tried = Object.values(attacks).filter(({ attacked }) => attacked > 0);
  const order = ['gradient', 'logits', 'surrogate', 'model'] as const;
  return order.find((access) => tried.some((attack) => attack.access === access)) ?? 'none';
}

/** What an attacker knows. */
export const knowledgeWords: Readonly<Record<Knowledge, string>> = {
  gradient: 'the classifier itself: its gradient and its answers',
  logits: 'the answers of the classifier, not its gradient',
  surrogate: 'the answers of the classifier, not its gradient',
  model: 'a classifier like it, not the classifier itself',
  none: 'nothing: it goes by chance',
};

/** `all 500 images` or `500 of 10,000 images`: those of the data that were used. */
export const imagesUsed = ({ images, data }: Pick<Audit, 'images' | 'data'>): string =>
  images === data.count
    ? `all ${count(images, 'image')}`
    : `${images.toLocaleString('en-US')} of ${count(data.count, 'image')}`;

/** The same, and how they were chosen. */
export const imagesChosen = (audit: Pick<Audit, 'images' | 'data'>): string => {
  const { images, data } = audit;
  if (images === data.count || data.chosen === undefined) return imagesUsed(audit);
  const share = data.labels === 'true' ? ', of each class its share' : '';
  return `${imagesUsed(audit)}, drawn at random${share}`;
};

/** Words that begin as a sentence does. */
export const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

/** Words as a whole sentence. */
export const sentence = (words: string): string => capital(/[.!?]$/.test(words) ? words : `${words}.`);

/** Words in which no line ends between a number and its sign. */
export const unbroken = (words: string): string => words.replaceAll(/(\d) %/g, '$1\u00a0%');
