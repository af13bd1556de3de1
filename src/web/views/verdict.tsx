import type { ComponentChildren } from 'preact';
import type { Demo } from '../demo.ts';
import { isShipped } from '../results.ts';
import { headline, means, trick } from '../headline.ts';
import { badges, styleOf, verdict } from '../verdict.ts';

/** How the chosen attack ended, in a sentence that needs no explanation; or why there is nothing to say yet. */
export function VerdictLine({ demo }: { readonly demo: Demo }) {
  return (
    <div class="verdict" role="status">
      <Sentence demo={demo} />
    </div>
  );
}

function Sentence({ demo }: { readonly demo: Demo }) {
  const { method } = demo.choice.value;
  const { words } = demo;
  if (demo.empty.value) {
    return (
      <Said badge="Empty" title={`${words.draw}.`}>
        {demo.data.noSamples ?? `Or pick one below. The networks answer at once.`}
      </Said>
    );
  }
  const shown = demo.results.value;
  const own = shown?.lineUp.target;
  const before = own && shown.clean?.predictions[own];
  const after = own && shown.outcomes[method]?.predictions[own];
  if (!before || !after) {
    if (demo.failure.value !== null) {
      return (
        <Said
          badge="No answer"
          title={demo.engine.value ? 'The attack failed.' : 'The networks could not be loaded.'}
        >
          So there is nothing to say about this picture yet.
        </Said>
      );
    }
    return (
      <Said badge={demo.download.value ? 'Loading' : 'Computing'} title="One moment.">
        {demo.download.value
          ? 'The networks are on their way. They run in your browser.'
          : 'The networks are looking at this picture.'}
      </Said>
    );
  }
  const { label } = shown.clean!;
  const { aim, eps } = shown.choice;
  const result = verdict(before, after, label, aim);
  const { title, rest } = headline(result, label, after[result.after]!, words, aim);
  return (
    <Said badge={badges[result.kind]} kind={styleOf(result.kind)} title={title} rest={rest}>
      {means(method, shown.lineUp.cell.mode, eps, aim === null ? null : words.one(aim))}{' '}
      {isShipped(shown) && method === 'generator'
        ? 'This was computed in advance, until your browser has the networks.'
        : `${words.draw} and try.`}
    </Said>
  );
}

function Said({
  badge,
  kind = 'waiting',
  title,
  rest = '',
  children,
}: {
  readonly badge: string;
  readonly kind?: string;
  readonly title: string;
  readonly rest?: string;
  readonly children: ComponentChildren;
}) {
  return (
    <>
      <p class="headline">
        {title} {rest && <b>{rest}</b>}
      </p>
      <p class="sub">
        <span class={`badge ${kind}`}>{badge}</span> {children}
      </p>
    </>
  );
}

/** What failed, with a way to try again. */
export function Problems({ demo, refused }: { readonly demo: Demo; readonly refused: string | null }) {
  const failure = demo.failure.value;
  return (
    <>
      {refused && (
        <p class="problem" role="alert">
          {refused}
        </p>
      )}
      {failure !== null && (
        <p class="problem" role="alert">
          {demo.engine.value ? 'An attack failed' : 'Loading failed'}: {failure}.{' '}
          <button type="button" onClick={() => demo.retry()}>
            Try again
          </button>
        </p>
      )}
    </>
  );
}

/** What else is worth a line: where it is computed, and what to think of the attacker. */
export function Notes({ demo }: { readonly demo: Demo }) {
  const note = demo.note.value;
  const favourite = demo.data.favourites[demo.lineUp.value.cell.folder];
  const tricky = demo.choice.value.method === 'generator' && favourite && trick(favourite);
  if (note === null && !tricky) return null;
  return (
    <div class="fine">
      {note !== null && <p class="backend">{note}</p>}
      {tricky && (
        <p class="trick">
          This attacker found one trick: it makes {favourite.count} of {favourite.images} sample{' '}
          {demo.words.thing}s read as {demo.words.named(favourite.label)}.
        </p>
      )}
    </div>
  );
}
