import type { Demo } from '../demo.ts';
import { megabytes } from '../format.ts';

/** What this is, and how far its loading. */
export function Masthead({ demo }: { readonly demo: Demo }) {
  const download = demo.failure.value === null ? demo.download.value : null;
  return (
    <header class="masthead">
      <h1>Sparring</h1>
      <p>One network reads {demo.words.thing}s, another learned to fool it. Both run in your browser.</p>
      {download && (
        <div class="download">
          <progress aria-label="Loading of the networks" max={download.total} value={download.loaded} />
          <span>
            Loading the networks: {megabytes(download.loaded)} of {megabytes(download.total)}
          </span>
        </div>
      )}
    </header>
  );
}
