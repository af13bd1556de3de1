import type { Favourite } from '../runtime/experiment/demo-data.ts';
import type { ManifestCell } from '../runtime/experiment/manifest.ts';
import { shownAttacks, type Method } from './attacks.ts';
import { number, percent } from './format.ts';
import type { Words } from './samples.ts';
import type { Verdict } from './verdict.ts';

/**
 * The verdict as a sentence in two parts, the second the stronger one: `A 7?` `This network is 100 % sure it is an 8.`
 *
 * @param label the true class, or what stands for it.
 * @param sure the probability of the class that the attacked image is read as.
 * @param aim the class that it was to be read as; null for any wrong one.
 */
export function headline(
  { kind, before, after }: Verdict,
  label: number,
  sure: number,
  { one }: Words,
  aim: number | null = null,
): { readonly title: string; readonly rest: string } {
  const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
  switch (kind) {
    case 'fooled':
      return {
        title: `${capital(one(label))}?`,
        rest: `This network is ${percent(sure)} sure it is ${one(after)}.`,
      };
    case 'missed':
      return {
        title: `${capital(one(label))}?`,
        rest: `This network now says ${one(after)}, and not ${one(aim!)}.`,
      };
    case 'held':
      return {
        title: `${capital(one(label))}.`,
        rest: `This network still says so, and is ${percent(sure)} sure.`,
      };
    case 'wrong already':
      return {
        title: `${capital(one(label))}?`,
        rest: `This network took it for ${one(before)} before any attack.`,
      };
    default:
      return kind satisfies never;
  }
}

/**
 * How the picture was changed, in a sentence or two.
 *
 * @param aimedAt what it was to be read as: `a 3`; null for anything wrong.
 */
export function means(
  method: Method,
  mode: ManifestCell['mode'],
  eps: number,
  aimedAt: string | null = null,
): string {
  const aim = aimedAt !== null && method !== 'noise' ? `, aiming at ${aimedAt}` : '';
  return shownAttacks[method].means(`each pixel by at most ${number(100 * eps, 1)} %${aim}.`, mode);
}

/** Whether an attacker makes most of its images look like one class, which is less than it seems. */
export const trick = ({ count, images }: Favourite): boolean => count > images / 2;
