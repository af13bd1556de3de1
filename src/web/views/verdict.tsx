import type { Demo } from '../demo.ts';
import type { Method } from '../engine/protocol.ts';
import { classifierNames, methodNames } from '../format.ts';
import { verdict } from '../verdict.ts';

const actors: Readonly<Record<Method, string>> = { ...methodNames, attacker: 'The attacker' };
const afters: Readonly<Record<Method, string>> = { ...methodNames, attacker: 'the attacker’s pass' };
const badges = { fooled: 'Fooled', held: 'Not fooled', 'wrong already': 'Wrong already' } as const;

/** One sentence about the chosen attack on its target, and a badge. */
export function VerdictLine({ demo }: { readonly demo: Demo }) {
  const { method } = demo.choice.value;
  const { target } = demo.lineUp.value;
  const clean = demo.clean.value;
  const before = clean?.predictions[target];
  const after = demo.outcomes.value[method]?.predictions[target];
  if (!clean || !before || !after) {
    return (
      <p class="verdict" role="status">
        <span class="badge waiting">Loading</span> The models are on their way.
      </p>
    );
  }
  const own = verdict(before, after, clean.label);
  const name = classifierNames[target];
  return (
    <p class="verdict" role="status">
      <span class={`badge ${own.kind.replace(' ', '-')}`}>{badges[own.kind]}</span>
      <span>
        {own.kind === 'fooled' && (
          <>
            {actors[method]} makes {name} read this <b>{own.before}</b> as <b>{own.after}</b>.
          </>
        )}
        {own.kind === 'held' && (
          <>
            {name} still reads <b>{own.after}</b> after {afters[method]}.
          </>
        )}
        {own.kind === 'wrong already' && (
          <>
            {name} took this <b>{clean.label}</b> for <b>{own.before}</b> before any attack.
          </>
        )}
      </span>
    </p>
  );
}
