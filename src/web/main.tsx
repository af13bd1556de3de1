import { render } from 'preact';
import type { DemoData } from '../runtime/experiment/demo-data.ts';
import { upgradeManifest, type StoredManifest } from '../runtime/experiment/manifest.ts';
import { App } from './app.tsx';
import { startDemo } from './demo.ts';

const root = document.getElementById('app')!;
// what the file says to a browser that cannot run this
root.replaceChildren();

async function open(): Promise<void> {
  try {
    const data = json<DemoData>('demo.json');
    // where both are missing, models.json is the one to name
    data.catch(() => {});
    const manifest = upgradeManifest(await json<StoredManifest>('models.json'));
    render(<App demo={await startDemo(manifest, await data)} />, root);
  } catch (error) {
    render(
      <p class="problem page" role="alert">
        The demo cannot start: {(error as Error).message} It takes a folder made by “sparring demo”, or
        “sparring serve”.{' '}
        <button type="button" onClick={() => void open()}>
          Try again
        </button>
      </p>,
      root,
    );
  }
}

async function json<T>(name: string): Promise<T> {
  const response = await fetch(name).catch(() => {
    throw new Error(`${name} cannot be fetched.`);
  });
  if (!response.ok) throw new Error(`There is no ${name} here (HTTP ${response.status}).`);
  return (await response.json()) as T;
}

await open();
