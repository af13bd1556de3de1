import { nameOf, type ClassifierCard } from '../../runtime/classifier-card.ts';
import { shownAttacks } from '../attacks.ts';
import { number } from '../format.ts';
import { badges, styleOf, verdict } from '../verdict.ts';
import { ownHeadline, type Title } from './headline.ts';
import { mostEps, type Own, type OwnResult } from './own.ts';

/** What happened, in words. */
export function Sentence({ own }: { readonly own: Own }) {
  const card = own.understood.value;
  const result = own.result.value;
  const step = own.step.value;
  const { title, rest } = titleOf(own, card, result);
  return (
    <div class="verdict" role="status">
      <p class="headline">
        {title} {rest && <b>{rest}</b>}
      </p>
      <p class="sub">
        {result && card && <Details result={result} card={card} />}
        {!result && own.model.value === null && 'It runs in this browser. Nothing leaves it.'}
      </p>
      {step !== null && own.pictures.value.length > 0 && (
        <p class="sub running">
          {shownAttacks[own.choice.value.method].title}: step {step}{' '}
          <button type="button" onClick={() => own.stop()}>
            Stop
          </button>
        </p>
      )}
    </div>
  );
}

function titleOf(own: Own, card: ClassifierCard | null, result: OwnResult | null): Title {
  const plain = (title: string): Title => ({ title, rest: '' });
  if (!own.model.value) return plain('How easily is your model fooled?');
  if (own.opening.value) return plain('Reading the model.');
  if (!card) return plain('This model could not be opened.');
  if (result) return ownHeadline(result, card);
  return plain(own.pictures.value.length > 0 ? 'Asking the model.' : 'The model is understood.');
}

function Details({ result, card }: { readonly result: OwnResult; readonly card: ClassifierCard }) {
  const { outcome, tried, smallest, before, label, target } = result;
  if (!outcome) return null;
  const { method, eps, after, linf } = outcome;
  const { kind } = verdict(before, after, label, target);
  return (
    <>
      <span class={`badge ${styleOf(kind)}`}>{badges[kind]}</span> {shownAttacks[method].title} changed each
      value by at most {number(255 * linf, 1)}/255
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
