import type { Demo } from '../demo.ts';

/** What visitors ask, and why it matters. */
export function Questions({ demo }: { readonly demo: Demo }) {
  const { thing } = demo.words;
  const { clean } = demo.lineUp.value.cell.final.c1;
  return (
    <section class="switches" aria-labelledby="questions-title">
      <h2 id="questions-title">Questions</h2>
      <dl>
        <div>
          <dt>Why does it matter?</dt>
          <dd>
            Networks like these read cheques, road signs and X-rays. A change that nobody sees makes them
            wrong and sure of it. Who ships one should know how small that change is.
          </dd>
        </div>
        <div>
          <dt>Is this network badly made?</dt>
          <dd>
            No. It reads {Math.round(100 * clean.accuracy)} of 100 {thing}s right. Larger networks, on photos
            in colour, fall to smaller changes. <a href="#own">Drop one of your own</a> and see.
          </dd>
        </div>
        <div>
          <dt>Can one defend it?</dt>
          <dd>
            Partly, by training on attacked images. A network may hold against the attacker that it trained
            with and still fall to PGD, so look at all rows of the table.{' '}
            <a href="#spar">Watch one being trained.</a>
          </dd>
        </div>
        <div>
          <dt>Does it work without knowing the network?</dt>
          <dd>
            Often. What was made for the target may fool the bystander too, which took no part. And Square, in
            the table, asks for answers alone.
          </dd>
        </div>
      </dl>
    </section>
  );
}
