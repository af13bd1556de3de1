import type { Demo } from '../demo.ts';
import { pgd } from '../choice.ts';
import { Formulas } from './formulas.tsx';
import { Scores } from './scores.tsx';

/** What happens on this page: in words, in formulas, and what the run measured. */
export function Explanation({ demo }: { readonly demo: Demo }) {
  return (
    <div class="explanation">
      <section aria-labelledby="words-title">
        <h2 id="words-title">In words</h2>
        <p>
          C1 is a small network that reads digits. An attacker network looks at an image and proposes a change
          of each pixel, at most eps in either direction, so that C1 misreads the sum. It was trained on
          thousands of digits; now a single pass is enough for a digit that it has never seen.
        </p>
        <p>
          FGSM and PGD have no training behind them. They ask C1 itself: the gradient says for each pixel
          whether making it lighter or darker raises the error. FGSM follows it once; PGD {pgd.steps} times,
          each time put back into the box of width eps. They need C1’s weights and gradients for every image,
          which the attacker does not.
        </p>
        <p>
          C2 has the same architecture, other weights, and took no part: where it is fooled too, the attack
          carries over. A classifier that was trained against its attacker is shown as “C1 alternating”, if
          the run has one.
        </p>
        <p>
          One digit proves nothing, and neither does one attack: what an attacker leaves standing is an upper
          bound on robustness, never a claim of it. Random noise of the same size is the floor that any attack
          has to beat.
        </p>
        <Scores demo={demo} />
      </section>
      <section aria-labelledby="formulas-title">
        <h2 id="formulas-title">In formulas</h2>
        <Formulas />
      </section>
      <section class="switches" aria-labelledby="switches-title">
        <h2 id="switches-title">What the switches do</h2>
        <dl>
          <div>
            <dt>8-bit pixels</dt>
            <dd>
              Attacked pixels are rounded to multiples of 1/255, to the nearest one within eps of the
              original: what is left of an attack once it is saved as a PNG.
            </dd>
          </div>
          <div>
            <dt>Clip to [0, 1]</dt>
            <dd>
              Black cannot get darker. Without clipping, as in Heidecke (2017), the classifier sees pixels
              below 0 and above 1; they are shown as black and white.
            </dd>
          </div>
          <div>
            <dt>Full weights</dt>
            <dd>
              The page fetches the attacker with its weights rounded to 8 bits each, a quarter of the size.
              Its perturbations differ a little from the trained ones; with full weights they are the trained
              ones.
            </dd>
          </div>
          <div>
            <dt>True digit</dt>
            <dd>
              Of a test image it is known. Of a drawing it is what the attacked classifier reads before the
              attack, unless you say it.
            </dd>
          </div>
        </dl>
        <p class="fine">
          Everything is computed in this browser; no picture leaves it unless you ask the server. After
          Heidecke,{' '}
          <i>Defending and attacking convolutional image classifiers with generative adversarial training</i>{' '}
          (2017); Goodfellow, Shlens and Szegedy (2015) for FGSM; Madry et al. (2018) for PGD.
        </p>
      </section>
    </div>
  );
}
