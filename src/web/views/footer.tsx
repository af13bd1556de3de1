import type { Demo } from '../demo.ts';

/** Which run this is, and where to read on. */
export function Footer({ demo }: { readonly demo: Demo }) {
  const { manifest, data } = demo;
  return (
    <footer>
      <p>
        Run <b>{manifest.run}</b>, trained on{' '}
        {data.samples?.name === 'mnist' ? 'MNIST' : (data.samples?.name ?? manifest.data.name)} by Sparring{' '}
        {data.version}.
      </p>
      <nav aria-label="Links">
        {data.repository && <a href={data.repository}>The project</a>}
        {manifest.server && <a href="docs">This server’s interface</a>}
        <a href="models.json">The models and their scores</a>
        <a href="#paper">The paper</a>
      </nav>
    </footer>
  );
}
