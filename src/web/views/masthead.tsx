import type { Demo } from '../demo.ts';
import { Loading } from './loading.tsx';
import { Nav } from './nav.tsx';

/** What this is, and how far its loading. */
export function Masthead({ demo }: { readonly demo: Demo }) {
  const download = demo.failure.value === null ? demo.download.value : null;
  return (
    <header class="masthead">
      <h1>Sparring</h1>
      <p>One network reads {demo.words.thing}s, another learned to fool it. Both run in your browser.</p>
      <Nav view="digits" />
      {download && <Loading of="the networks" progress={download} />}
    </header>
  );
}
