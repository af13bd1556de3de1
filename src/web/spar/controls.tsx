import { number } from '../format.ts';
import { learningRates, modes, mostEps, speeds, widths, type Mode, type Speed } from './settings.ts';
import type { Spar } from './spar.ts';

const modeNames: Readonly<Record<Mode, string>> = {
  consecutive: 'stays as it is',
  alternating: 'fights back',
};
const speedNames: Readonly<Record<Speed, string>> = {
  slow: 'one step a second',
  normal: 'show every 5th step',
  fast: 'show every 20th step',
};

/** What can be set. */
export function Controls({ spar }: { readonly spar: Spar }) {
  const { mode, eps, learningRate, width, seed, speed } = spar.settings.value;
  const hidden = spar.hidden.value;
  return (
    <section class="block" aria-labelledby="spar-settings">
      <h2 id="spar-settings">Settings</h2>
      {!hidden.includes('mode') && (
        <Select
          title="The target"
          value={mode}
          choices={modes.map((one) => [one, modeNames[one]])}
          onChange={(value) => spar.change({ mode: value as Mode })}
        />
      )}
      {!hidden.includes('eps') && (
        <div class="eps">
          <label for="spar-eps">
            <i>eps</i> <span class="role">largest change of a pixel</span>
          </label>
          <output for="spar-eps">{number(eps, 2)}</output>
          <input
            id="spar-eps"
            type="range"
            min="0.01"
            max={mostEps}
            step="0.01"
            value={eps}
            onChange={(event) => spar.change({ eps: Number(event.currentTarget.value) })}
          />
        </div>
      )}
      {!hidden.includes('speed') && (
        <Select
          title="Speed"
          value={speed}
          choices={speeds.map((one) => [one, speedNames[one]])}
          onChange={(value) => spar.change({ speed: value as Speed })}
        />
      )}
      {!hidden.includes('rate') && (
        <Select
          title="Learning rate"
          value={String(learningRate)}
          choices={learningRates.map((one) => [String(one), String(one)])}
          onChange={(value) => spar.change({ learningRate: Number(value) })}
        />
      )}
      {!hidden.includes('width') && (
        <Select
          title="Attacker’s width"
          value={String(width)}
          choices={widths.map((one) => [String(one), one === 64 ? '64, the paper’s' : String(one)])}
          onChange={(value) => spar.change({ width: Number(value) })}
        />
      )}
      {!hidden.includes('seed') && (
        <label class="field">
          <span>Seed</span>
          <input
            class="seed"
            type="number"
            min="0"
            max={2 ** 31 - 1}
            step="1"
            value={seed}
            onChange={({ currentTarget }) => {
              if (currentTarget.validity.valid && currentTarget.value !== '') {
                spar.change({ seed: Number(currentTarget.value) });
              }
            }}
          />
        </label>
      )}
      <p class="fine">
        {!(hidden.includes('seed') && hidden.includes('width')) && 'Another width or seed begins anew.'}
      </p>
    </section>
  );
}

function Select({
  title,
  value,
  choices,
  onChange,
}: {
  readonly title: string;
  readonly value: string;
  readonly choices: readonly (readonly [value: string, text: string])[];
  readonly onChange: (value: string) => void;
}) {
  return (
    <label class="field">
      <span>{title}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {choices.map(([one, text]) => (
          <option value={one}>{text}</option>
        ))}
      </select>
    </label>
  );
}
