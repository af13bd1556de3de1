import { duration, number, percent } from '../format.ts';
import type { Spar } from './spar.ts';

/** What is going on, in words. */
export function SparSentence({ spar }: { readonly spar: Spar }) {
  const { phase, step, left, stepTime, settings, seat, playing } = spar;
  const time = stepTime.value;
  const engine = seat.engine.value;
  return (
    <div class="verdict">
      <p class="headline" role="status">
        {titleOf(spar)}
      </p>
      <p class="sub">
        {step.value === 0
          ? playing.value
            ? 'Making the networks.'
            : 'Press play. Everything happens in this browser.'
          : phase.value === 'school' && left.value > 0
            ? `The target and the bystander learn to read: ${left.value} more steps, then the attacker begins.`
            : `Step ${step.value}. The attacker changes each pixel by at most ${number(100 * settings.value.eps, 1)} %.`}
        {time !== null && engine && (
          <>
            {' '}
            <span class="role step-time">
              A step takes {duration(time)} on {engine.backend === 'webgpu' ? 'WebGPU' : 'WASM'}.
            </span>
          </>
        )}
      </p>
    </div>
  );
}

function titleOf({ curve, settings }: Spar) {
  const last = curve.value.at(-1);
  if (!last) return 'Two networks spar.';
  const { c1 } = last;
  if (c1.attacked === null) return `The target reads ${percent(c1.clean)} of the digits.`;
  return (
    <>
      {percent(c1.clean)} right without an attack, <b>{percent(c1.attacked)} under attack.</b>
      {settings.value.mode === 'alternating' && ' The target fights back.'}
    </>
  );
}
