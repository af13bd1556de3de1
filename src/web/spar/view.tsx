import './spar.css';
import { useEffect } from 'preact/hooks';
import { Loading } from '../views/loading.tsx';
import { Nav } from '../views/nav.tsx';
import { Chart } from './chart.tsx';
import { Controls } from './controls.tsx';
import { RingOfTen } from './ring.tsx';
import { startSpar, type Spar } from './spar.ts';
import { SparSentence } from './sentence.tsx';
import { Transport } from './transport.tsx';

/** The view in which A trains against C1. */
export const openSpar = () => <SparView spar={startSpar()} />;

function SparView({ spar }: { readonly spar: Spar }) {
  useEffect(() => () => spar.close(), []);
  const { seat, broken, ring, hidden } = spar;
  const download = seat.download.value;
  const problem = broken.value ?? seat.failure.value;
  return (
    <div class="page">
      <header class="masthead">
        <h1>Sparring</h1>
        <p>One network learns to fool another, while you watch.</p>
        <Nav view="spar" />
        {download && <Loading of="ONNX Runtime" progress={download} />}
      </header>
      <main class="spar">
        <div class="stage">
          <SparSentence spar={spar} />
          {problem !== null && (
            <p class="problem" role="alert">
              {problem}
            </p>
          )}
          <Transport spar={spar} />
          <Chart curve={spar.curve.value} />
          {ring.value && <RingOfTen ring={ring.value} phase={spar.phase.value} />}
          {seat.note.value !== null && <p class="fine">{seat.note.value}</p>}
        </div>
        <div class="controls">
          <Controls spar={spar} />
        </div>
        {!hidden.value.includes('text') && <About spar={spar} />}
      </main>
    </div>
  );
}

function About({ spar }: { readonly spar: Spar }) {
  const digits = spar.digits.value;
  const count = digits ? `${digits.train.toLocaleString('en')} handwritten digits` : 'handwritten digits';
  return (
    <div class="explanation">
      <section aria-labelledby="spar-title">
        <h2 id="spar-title">What you see</h2>
        <p>
          First two networks of the same kind, the target and the bystander, learn to read {count}. Then a
          third network, the attacker, begins. It sees a digit, changes each pixel by at most eps, and is
          rewarded when the target misreads it. It never sees the bystander.
        </p>
        <p>
          The curves show how many digits the two read right that no network has learned from. Where the
          bystander falls too, the attack carries over. If the target fights back, it learns from every attack
          on it; then both curves may hold.
        </p>
      </section>
      <section aria-labelledby="lesson-title">
        <h2 id="lesson-title">For lessons</h2>
        <p>
          The address holds all settings, so a link opens the same experiment: the same seed gives the same
          curves. <code>hide=mode,rate,width,seed</code> at its end hides these controls; <code>eps</code>,{' '}
          <code>speed</code>, <code>step</code>, <code>restart</code> and <code>text</code> can be hidden too.
        </p>
      </section>
    </div>
  );
}
