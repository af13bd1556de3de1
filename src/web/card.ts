import { nameOf } from '../runtime/classifier-card.ts';
import { shownAttacks } from './attacks.ts';
import { classifierName, number, percent } from './format.ts';
import type { ClassifierName } from './engine/protocol.ts';
import { headline } from './headline.ts';
import type { Card } from './picture/card.ts';
import { diverging, grey } from './picture/palette.ts';
import type { Shown } from './record.ts';
import type { Words } from './samples.ts';
import { badges, highest, verdict } from './verdict.ts';

/** What the page shows as a card: a sentence, three images, norms, what each classifier says, and the link to it. */
export function cardOf(
  { choice, clean, outcomes, lineUp: { target }, manifest }: Shown,
  words: Words,
  link: string,
): Card {
  const { method, pixels, eps, clip, bits, aim } = choice;
  const { attacked, predictions, linf, l2 } = outcomes[method]!;
  const card = manifest.classifier;
  const { label } = clean;
  const after = predictions[target]!;
  const result = verdict(clean.predictions[target]!, after, label, aim);
  const range = bits === 8 ? '8-bit pixels' : clip ? 'clipped to [0, 1]' : 'unclipped';
  const aimed = aim === null ? '' : `, aiming at ${words.one(aim)}`;
  const answered = (probabilities: Float32Array): string => {
    const one = highest(probabilities);
    return `${nameOf(card, one)} (${percent(probabilities[one]!)})`;
  };
  return {
    ...headline(result, label, after[result.after]!, words, aim),
    lines: [
      `${badges[result.kind]} by ${shownAttacks[method].title}${aimed}: each pixel changed by at most eps ${number(eps, 4)}`,
      `${range} · L∞ ${number(linf)} · L2 ${l2.toFixed(2)} · run ${manifest.run}`,
    ],
    image: card.image,
    tiles: [
      { title: 'Original', values: pixels, palette: grey },
      {
        title: `Change, ±${number(eps, 4)}`,
        values: attacked.map((x, i) => x - pixels[i]!),
        palette: diverging('light', eps),
      },
      { title: 'Attacked', values: attacked, palette: grey },
    ],
    answers: (Object.keys(clean.predictions) as ClassifierName[]).map((name) => ({
      who: classifierName(name, target),
      before: answered(clean.predictions[name]!),
      after: answered(predictions[name]!),
      isWrong: highest(predictions[name]!) !== label,
    })),
    link,
  };
}
