import { needsGradients, shownAttacks } from '../attacks.ts';
import { number } from '../format.ts';
import { ClassSelect } from '../views/class-select.tsx';
import type { Understood } from './engine/protocol.ts';
import { ownMethods } from './methods.ts';
import { mostEps, type Own } from './own.ts';

/** Which attack, how large, and what for. */
export function AttackForm({ own, card }: { readonly own: Own; readonly card: Understood }) {
  const { method, eps, label, target } = own.choice.value;
  const isImpossible = (one: (typeof ownMethods)[number]): boolean =>
    card.noGradient !== null && needsGradients(one);
  return (
    <section class="block" aria-labelledby="own-attack-title">
      <h2 id="own-attack-title">Attack</h2>
      <fieldset class="methods">
        <legend class="visually-hidden">Attack</legend>
        {ownMethods.map((one) => (
          <label class={isImpossible(one) ? 'method off' : 'method'}>
            <input
              type="radio"
              name="own-method"
              value={one}
              checked={one === method}
              disabled={isImpossible(one)}
              onChange={() => own.choose({ method: one })}
            />
            <span>
              {shownAttacks[one].title} <span class="role">{shownAttacks[one].about}</span>
            </span>
          </label>
        ))}
      </fieldset>
      {card.noGradient !== null && (
        <p class="fine">
          This model cannot be differentiated, so only attacks that ask for its answers are left: Square and
          noise. Why: {card.noGradient}.
        </p>
      )}
      <div class="eps">
        <label for="own-eps">
          <i>eps</i> <span class="role">largest change of a value</span>
        </label>
        <output for="own-eps">
          {number(255 * eps, 1)}/255 <span class="role">≈ {number(eps, 3)}</span>
        </output>
        <input
          id="own-eps"
          type="range"
          min="0.5"
          max={255 * mostEps}
          step="0.5"
          value={255 * eps}
          onChange={(event) => own.choose({ eps: Number(event.currentTarget.value) / 255 })}
        />
      </div>
      <ClassSelect
        title="What it is"
        card={card}
        value={label}
        none="what the model reads"
        onChange={(value) => own.choose({ label: value })}
      />
      <ClassSelect
        title="Make it look like"
        card={card}
        value={target}
        none="anything else"
        except={own.result.value?.label ?? label}
        onChange={(value) => own.choose({ target: value })}
      />
      <div class="row">
        <button type="button" onClick={() => own.attack()}>
          Attack
        </button>
        <button type="button" onClick={() => own.findSmallest()}>
          Find the smallest eps
        </button>
      </div>
    </section>
  );
}
