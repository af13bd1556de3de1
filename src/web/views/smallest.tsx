import { effect, useSignal } from '@preact/signals';
import type { Choice } from '../choice.ts';
import type { Demo } from '../demo.ts';
import { number } from '../format.ts';
import { isAnswer, sameAttack } from '../results.ts';
import { smallestEps, type Tried } from '../smallest.ts';
import { verdict, type Verdict } from '../verdict.ts';
import { Trail } from './trail.tsx';

/** Looks for the smallest eps at which the chosen attack fools; what it tries is what the page shows. */
export function Smallest({ demo, most }: { readonly demo: Demo; readonly most: number }) {
  const tried = useSignal<readonly Tried[]>([]);
  const said = useSignal('');
  const running = useSignal(false);
  const search = async (): Promise<void> => {
    tried.value = [];
    said.value = '';
    running.value = true;
    try {
      const found = smallestEps(async (eps) => (await attackedAt(demo, eps)) === 'fooled', most);
      let next = await found.next();
      for (; !next.done; next = await found.next()) tried.value = [...tried.value, next.value];
      if (next.value !== null) demo.choose({ eps: next.value });
      said.value =
        next.value === null
          ? `Even ${number(most, 3)} does not fool it with this attack; another may.`
          : `The smallest that was found to fool is ${number(next.value, 3)}.`;
    } catch (error) {
      if (!(error instanceof Overtaken)) said.value = (error as Error).message;
      tried.value = [];
    }
    running.value = false;
  };
  return (
    <div class="smallest">
      <button
        type="button"
        disabled={running.value || demo.empty.value || demo.engine.value === null}
        onClick={() => void search()}
      >
        Find the smallest eps
      </button>
      {tried.value.length > 0 && <Trail tried={tried.value} width={250} say={(eps) => number(eps, 2)} />}
      <p class="fine" role="status">
        {said.value}
      </p>
    </div>
  );
}

/** Thrown by a search where somebody else has chosen something meanwhile. */
class Overtaken extends Error {}

/** Chooses an eps, and waits for how the attack ends. */
function attackedAt(demo: Demo, eps: number): Promise<Verdict['kind']> {
  demo.choose({ eps });
  const own: Choice = demo.choice.peek();
  return new Promise((resolve, reject) => {
    let stop = (): void => {};
    let ended = false;
    const end = (how: () => void): void => {
      ended = true;
      stop();
      how();
    };
    stop = effect(() => {
      if (ended) return;
      const { results, failure, choice } = demo;
      const shown = results.value;
      if (failure.value !== null) end(() => reject(new Error(`The attack failed: ${failure.peek()}.`)));
      else if (choice.value !== own) end(() => reject(new Overtaken()));
      else if (shown && sameAttack(shown.choice, own) && isAnswer(shown, own.method)) {
        const { target } = shown.lineUp;
        const { predictions, label } = shown.clean!;
        const after = shown.outcomes[own.method]!.predictions[target]!;
        end(() => resolve(verdict(predictions[target]!, after, label, own.aim).kind));
      }
    });
    if (ended) stop();
  });
}
