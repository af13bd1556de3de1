import type { Demo } from '../demo.ts';
import { shownAttacks } from '../attacks.ts';
import { Formulas } from './formulas.tsx';
import { Questions } from './questions.tsx';
import { Scores } from './scores.tsx';

/** What happens on this page: in words, in formulas, and what the run measured. */
export function Explanation({ demo }: { readonly demo: Demo }) {
  const things = `${demo.words.thing}s`;
  const { cells } = demo.manifest;
  const hasBystander = cells.some(({ models }) => models.c2);
  return (
    <div class="explanation">
      <section aria-labelledby="words-title">
        <h2 id="words-title">In words</h2>
        <p>
          The Target is a small network that reads {things}. An attacker network looks at an image and
          proposes a change of each pixel, at most eps in either direction, so that the Target misreads the
          sum. It was trained on thousands of images. Now a single pass is enough for one that it has never
          seen.
        </p>
        <p>
          FGSM, MI-FGSM, PGD and APGD have no training behind them. They ask the Target itself: the gradient
          says for each pixel whether making it lighter or darker raises the error. FGSM follows it once, PGD{' '}
          {shownAttacks.pgd.settings.steps} times, and PGD puts the result back into the box of width eps each
          time. MI-FGSM follows a running sum of gradients, which carries over to other networks better. APGD
          chooses the size of its steps as it goes. All four need the Target’s weights for every image. The
          attacker does not, and neither does Square: it changes random squares, and keeps what brings the
          Target’s answer closer to a wrong one.
        </p>
        {hasBystander && (
          <p>
            The Bystander has weights of its own and took no part. Where it is fooled too, the attack carries
            over.
          </p>
        )}
        {cells.some(({ mode }) => mode === 'alternating') && (
          <p>The Trained sparring partner is a classifier that learned from its attacker’s attacks.</p>
        )}
        {cells.some(({ mode }) => mode === 'hardened') && (
          <p>
            Where the training is hardened, the Target learned from gradient attacks before the attacker was
            trained against it.
          </p>
        )}
        <p>
          One {demo.words.thing} proves nothing, and neither does one attack. Accuracy under an attack is an
          upper bound on robustness, never a claim of it. Random noise of the same size is the floor that any
          attack has to beat.
        </p>
        <p class="fine">
          In the files of the run the Target is C1{hasBystander && ' and the Bystander is C2'}; the formulas
          and saved results use these names.
        </p>
        <Scores demo={demo} />
      </section>
      <section aria-labelledby="formulas-title">
        <h2 id="formulas-title">In formulas</h2>
        <Formulas />
      </section>
      <Questions demo={demo} />
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
            <dt>True {demo.words.thing === 'digit' ? 'digit' : 'class'}</dt>
            <dd>
              Of a test image it is known. Of a drawing it is what the attacked classifier reads before the
              attack, unless you say it.
            </dd>
          </div>
        </dl>
        <p class="fine">
          Everything is computed in this browser. No picture leaves it unless you ask the server.
        </p>
      </section>
      <section class="switches" id="paper" aria-labelledby="paper-title">
        <h2 id="paper-title">The paper</h2>
        <p>
          J. Heidecke,{' '}
          <i>Defending and attacking convolutional image classifiers with generative adversarial training</i>{' '}
          (2017).
        </p>
        <p class="fine">
          FGSM: Goodfellow, Shlens and Szegedy, <i>Explaining and Harnessing Adversarial Examples</i> (2015).
          MI-FGSM: Dong et al., <i>Boosting Adversarial Attacks with Momentum</i> (2018). PGD: Madry et al.,{' '}
          <i>Towards Deep Learning Models Resistant to Adversarial Attacks</i> (2018). APGD: Croce and Hein,{' '}
          <i>Reliable Evaluation of Adversarial Robustness</i> (2020). Square: Andriushchenko et al.,{' '}
          <i>Square Attack</i> (2020).
        </p>
      </section>
    </div>
  );
}
