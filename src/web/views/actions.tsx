import { useSignal } from '@preact/signals';
import { shownAttacks } from '../attacks.ts';
import type { Demo } from '../demo.ts';
import { cardOf } from '../card.ts';
import { duration } from '../format.ts';
import { toHash } from '../permalink.ts';
import { drawCard } from '../picture/card.ts';
import { recordOf, type Shown } from '../record.ts';
import { isAnswer, isShipped } from '../results.ts';
import { askServer } from '../server.ts';
import { save } from './save.ts';

/** Ways to take along what is shown, and to check it with the server. */
export function Actions({ demo }: { readonly demo: Demo }) {
  const said = useSignal('');
  const { manifest, choice, lineUp } = demo;
  const results = demo.results.value;
  const shown = (): Shown => ({
    manifest,
    choice: choice.value,
    lineUp: lineUp.value,
    clean: results!.clean!,
    outcomes: results!.outcomes,
    engine: demo.engine.value!,
  });
  const { method, source, eps } = choice.value;
  const settled =
    !demo.busy.value &&
    demo.engine.value !== null &&
    results !== null &&
    isAnswer(results, method) &&
    !isShipped(results);
  const name = `sparring-${source.kind === 'digit' ? source.index : 'drawing'}-${shownAttacks[method].id}-eps${eps}`;
  const work = (task: () => Promise<string>) => () => {
    said.value = '';
    task().then(
      (text) => (said.value = text),
      (error: unknown) => (said.value = (error as Error).message),
    );
  };
  const ask = async (): Promise<string> => {
    const { outcomes, clean } = shown();
    const answer = await askServer(
      manifest.server!.attack,
      demo.card.image,
      choice.value,
      lineUp.value,
      outcomes.generator!,
      clean.predictions,
    );
    const { perturbation, attacked, probabilities, milliseconds } = answer;
    const why =
      choice.value.weights === 'compact'
        ? ' The browser rounds the attacker’s weights to 8 bits, the server does not.'
        : '';
    return (
      `The server’s attacker differs from the browser’s by at most ${perturbation.toExponential(1)} in the perturbation, ` +
      `${attacked.toExponential(1)} in the attacked image and ${probabilities.toExponential(1)} in a probability; ` +
      `the round trip took ${duration(milliseconds)}.${why}`
    );
  };
  const trained = lineUp.value.scale === 1;
  return (
    <div class="actions">
      <div class="row">
        <button
          type="button"
          disabled={!settled}
          onClick={work(async () =>
            save(await drawCard(cardOf(shown(), demo.words, await linkOf(demo))), `${name}.png`),
          )}
        >
          Save picture
        </button>
        <button
          type="button"
          disabled={!settled}
          onClick={work(async () => {
            const json = JSON.stringify(recordOf(shown()));
            return save(new Blob([json], { type: 'application/json' }), `${name}.json`);
          })}
        >
          Save JSON
        </button>
        <button type="button" onClick={work(() => copyLink(demo))}>
          Copy link
        </button>
        {manifest.server && (
          <button
            type="button"
            disabled={!settled || !trained || !results?.outcomes.generator}
            title={trained ? undefined : 'The server attacks at the eps that an attacker was trained for'}
            onClick={work(ask)}
          >
            Ask the server instead
          </button>
        )}
      </div>
      <p class="said" role="status">
        {said.value}
      </p>
    </div>
  );
}

/** The address of what is shown. */
async function linkOf(demo: Demo): Promise<string> {
  const choice = demo.choice.value;
  // who follows the link has another machine: it chooses for itself, unless this page was told to
  const hash = await toHash(demo.ownBackend.value ? choice : { ...choice, backend: null });
  return new URL(`#${hash}`, location.href).href;
}

async function copyLink(demo: Demo): Promise<string> {
  history.replaceState(null, '', await linkOf(demo));
  try {
    await navigator.clipboard.writeText(location.href);
    return 'The link is in the clipboard: it holds the digit and all settings.';
  } catch {
    return 'The link is in the address bar: it holds the digit and all settings.';
  }
}
