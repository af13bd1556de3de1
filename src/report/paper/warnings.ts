import { html } from 'hono/html';
import type { Warning } from '../../runtime/experiment/evaluation.ts';
import { count } from '../kit/format.ts';
import type { Markup } from '../kit/markup.ts';

/** What each check means for a reader who has never heard of it. */
const kinds: Readonly<Record<Warning['check'], string>> = {
  'fgsm-below-pgd': 'FGSM does better than PGD, so PGD is broken.',
  'attacker-below-pgd': 'The attacker does better than PGD, so PGD is too weak or the gradient is masked.',
  'attack-above-noise': 'An attack does worse than random noise.',
  'above-chance-at-large-eps': 'PGD leaves more than guessing although eps allows any image.',
  'transfer-below-white-box':
    'Images made for C1 fool C2 more often than C1, although the attack does not know C2.',
  'curve-rises': 'Accuracy rises where the attack has more room.',
  'steps-not-enough': 'PGD needs more steps.',
  'zero-gradient':
    'The gradient is zero on most images, so attacks that follow it fail and prove nothing about robustness.',
  probabilities:
    'The logits are probabilities, so the gradient may vanish and losses are no cross-entropies.',
  'constant-answers': 'The classifier gives every image the same answer.',
  'not-a-number': 'Some answers are not numbers; they count as wrong.',
};

/** Broken expectations, where nobody can miss them: those of one kind together, with their number. */
export function warningBox(warnings: readonly Warning[]): Markup {
  const found = [...new Set(warnings.map(({ check }) => check))].map((check) => ({
    check,
    own: warnings.filter((warning) => warning.check === check),
  }));
  return html`<section class="warnings" aria-labelledby="warnings">
    <h2 id="warnings">${count(warnings.length, 'warning')}</h2>
    ${found.map(
      ({ check, own }) =>
        html`<details>
          <summary><strong>${own.length} ×</strong> ${kinds[check]}</summary>
          <ul>
            ${own.map(({ folder, classifier, message }) => html`<li>${folder}, ${classifier.toUpperCase()}: ${message}</li>`)}
          </ul>
          <p class="muted">Check: <code>${check}</code></p>
        </details>`,
    )}
  </section>`;
}
