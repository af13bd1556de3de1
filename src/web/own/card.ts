import { nameOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { shownAttacks } from '../attacks.ts';
import { number, percent } from '../format.ts';
import type { Card } from '../picture/card.ts';
import { diverging, grey } from '../picture/palette.ts';
import { badges, highest, verdict } from '../verdict.ts';
import type { OwnOutcome } from './engine/protocol.ts';
import { ownHeadline } from './headline.ts';
import type { OwnResult } from './own.ts';

/** What the view shows as a card. The link leads to the view: models and pictures stay where they are. */
export function ownCard(
  result: OwnResult & { readonly outcome: OwnOutcome },
  card: ClassifierCard,
  { model, link }: { readonly model: string; readonly link: string },
): Card {
  const { picture, before, label, target, outcome } = result;
  const { method, eps, attacked, after, linf, l2 } = outcome;
  const { kind } = verdict(before, after, label, target);
  const aimed = target === null ? '' : `, aiming at “${nameOf(card, target)}”`;
  const answered = (probabilities: Float32Array): string => {
    const one = highest(probabilities);
    return `${nameOf(card, one)} (${percent(probabilities[one]!)})`;
  };
  return {
    ...ownHeadline(result, card),
    lines: [
      `${badges[kind]} by ${shownAttacks[method].title}${aimed}: each value changed by at most ${number(255 * eps, 1)}/255`,
      `${model} · ${picture.name} · L∞ ${number(linf, 4)} · L2 ${number(l2, 2)}`,
    ],
    image: card.image,
    tiles: [
      { title: 'Original', values: picture.values, palette: grey },
      {
        title: `Change, ±${number(255 * eps, 1)}/255`,
        values: attacked.map((x, i) => x - picture.values[i]!),
        palette: diverging('light', eps),
      },
      { title: 'Attacked', values: attacked, palette: grey },
    ],
    answers: [
      { who: '', before: answered(before), after: answered(after), isWrong: highest(after) !== label },
    ],
    link,
  };
}
