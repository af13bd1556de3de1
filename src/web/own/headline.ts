import { nameOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { percent } from '../format.ts';
import { highest } from '../verdict.ts';
import type { OwnResult } from './own.ts';

/** A sentence in two parts, the second the stronger one. */
export interface Title {
  readonly title: string;
  readonly rest: string;
}

/** How the attack on a picture ended, in words. */
export function ownHeadline({ before, outcome, label }: OwnResult, card: ClassifierCard): Title {
  const read = highest(before);
  const was = `“${nameOf(card, read)}”`;
  if (read !== label) return { title: `The model takes it for ${was} before any attack.`, rest: '' };
  if (!outcome) {
    return { title: `The model reads ${was}, and is ${percent(before[read]!)} sure.`, rest: '' };
  }
  const now = highest(outcome.after);
  const sure = percent(outcome.after[now]!);
  return now === read
    ? { title: `${was}.`, rest: `The model still says so, and is ${sure} sure.` }
    : { title: `${was}?`, rest: `Now the model is ${sure} sure it is “${nameOf(card, now)}”.` };
}
