import type { Interval } from '../../runtime/audit/wilson.ts';

/** A fraction as a percentage with one decimal: `98.7 %`. */
export const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** A difference of two fractions in percentage points: `3.2 points`. */
export const points = (fraction: number): string => `${(100 * fraction).toFixed(1)} points`;

/** The ends of an interval of a percentage: `[98.5, 98.9]`. */
export const brackets = ({ low, high }: Interval): string =>
  `[${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;

/**
 * Accuracies in words with their intervals in brackets, for a page that has said once that those are of 95 %:
 * `78.3 % (95 % interval 77.5 to 79.1)` as `78.3 % [77.5, 79.1]`.
 */
export const shortIntervals = (words: string): string =>
  words.replace(/\(95 % interval ([\d.]+) to ([\d.]+)\)/g, '[$1, $2]');

/** A loss in nats, with as many decimals as say something. */
export const loss = (nats: number): string => (nats < 10 ? nats.toFixed(3) : nats.toFixed(1));

/** Words as a list: `0.01, 0.02 and 0.04`. */
export function list(words: readonly (string | number)[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** A count with its noun: `1 seed`, `3 seeds`, `10,000 images`. */
export const count = (n: number, noun: string): string =>
  `${n.toLocaleString('en-US')} ${noun}${n === 1 ? '' : 's'}`;

/** Words as a part of a file's or an element's name: `unclipped-tanh-bound`. */
export const slug = (words: string): string => words.toLowerCase().replace(/[^a-z0-9.]+/g, '-');
