import { nameOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { number, percent } from '../format.ts';
import { highest } from '../verdict.ts';
import { ownAttacks } from './methods.ts';
import { mostEps, type Own, type OwnResult } from './own.ts';

/** What happened, in words. */
export function Sentence({ own }: { readonly own: Own }) {
  const card = own.understood.value;
  const result = own.result.value;
  const step = own.step.value;
  return (
    <div class="verdict" role="status">
      <p class="headline">{titleOf(own, card, result)}</p>
      <p class="sub">
        {result && card && <Details result={result} card={card} />}
        {!result && own.model.value === null && 'It runs in this browser. Nothing leaves it.'}
      </p>
      {step !== null && own.pictures.value.length > 0 && (
        <p class="sub running">
          {ownAttacks[own.choice.value.method].title}: step {step}{' '}
          <button type="button" onClick={() => own.stop()}>
            Stop
          </button>
        </p>
      )}
    </div>
  );
}

function titleOf(own: Own, card: ClassifierCard | null, result: OwnResult | null) {
  if (!own.model.value) return 'How easily is your model fooled?';
  if (own.opening.value) return 'Reading the model.';
  if (!card) return 'This model cannot be attacked here.';
  if (!result) return own.pictures.value.length > 0 ? 'Asking the model.' : 'The model is understood.';
  const { before, outcome, label } = result;
  const read = highest(before);
  const was = `“${nameOf(card, read)}”`;
  if (read !== label) return `The model takes it for ${was} before any attack.`;
  if (!outcome) return `The model reads ${was}, and is ${percent(before[read]!)} sure.`;
  const now = highest(outcome.after);
  return now === read ? (
    <>
      {was}. <b>The model still says so, and is {percent(outcome.after[now]!)} sure.</b>
    </>
  ) : (
    <>
      {was}?{' '}
      <b>
        Now the model is {percent(outcome.after[now]!)} sure it is “{nameOf(card, now)}”.
      </b>
    </>
  );
}

function Details({ result, card }: { readonly result: OwnResult; readonly card: ClassifierCard }) {
  const { outcome, tried, smallest, target } = result;
  if (!outcome) return null;
  const { method, eps, success, linf } = outcome;
  const badge = success ? 'fooled' : 'held';
  return (
    <>
      <span class={`badge ${badge}`}>{success ? 'Fooled' : 'Not fooled'}</span> {ownAttacks[method].title}{' '}
      changed each value by at most {number(255 * linf, 1)}/255
      {target !== null && <>, aiming at “{nameOf(card, target)}”</>}.
      {tried.length > 0 && <Search eps={eps} tried={tried.length} smallest={smallest} />}
    </>
  );
}

const Search = ({
  eps,
  tried,
  smallest,
}: {
  readonly eps: number;
  readonly tried: number;
  readonly smallest: number | null | undefined;
}) => (
  <>
    {' '}
    {smallest === undefined
      ? `Looking for the smallest change that fools: ${tried} tried.`
      : smallest === null
        ? `Even ${number(255 * mostEps, 0)}/255 did not fool it with this attack; another may.`
        : `The smallest change that was found to fool is ${number(255 * eps, 1)}/255.`}
  </>
);
