import { render } from 'preact';
import type { Manifest } from '../runtime/manifest.ts';
import { App } from './app.tsx';
import { startDemo } from './demo.ts';

const root = document.getElementById('app')!;
try {
  const response = await fetch('models.json');
  if (!response.ok) throw new Error(`There is no models.json here (HTTP ${response.status}).`);
  render(<App demo={await startDemo((await response.json()) as Manifest)} />, root);
} catch (error) {
  render(
    <p class="problem" role="alert">
      The demo cannot start: {(error as Error).message} It takes a folder made by “sparring demo”, or
      “sparring serve”.
    </p>,
    root,
  );
}
