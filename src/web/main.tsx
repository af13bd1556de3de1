import { render, type ComponentChild } from 'preact';
import type { DemoData } from '../runtime/experiment/demo-data.ts';
import { upgradeManifest, type StoredManifest } from '../runtime/experiment/manifest.ts';
import { App } from './app.tsx';
import { startDemo, type Demo } from './demo.ts';
import { keepOffline } from './offline/page.ts';
import { viewOf, type View } from './route.ts';

const root = document.getElementById('app')!;
// what the file says to a browser that cannot run this
root.replaceChildren();

/** How each view is opened. Those that not everybody opens are loaded when they are. */
const views: { readonly [V in View]: () => Promise<ComponentChild> } = {
  digits: async () => <App demo={await demo()} />,
  spar: async () => (await import('./spar/view.tsx')).openSpar(),
  own: async () => (await import('./own/view.tsx')).openOwn(),
};

/** The digits stay as they were left. */
let started: Promise<Demo> | undefined;
const demo = (): Promise<Demo> => {
  started ??= startDigits();
  started.catch(() => (started = undefined));
  return started;
};

async function startDigits(): Promise<Demo> {
  const data = json<DemoData>('demo.json');
  // where both are missing, models.json is the one to name
  data.catch(() => {});
  const manifest = upgradeManifest(await published());
  const shown = await data;
  await keepOffline(manifest);
  return await startDemo(manifest, shown);
}

let stored: Promise<StoredManifest> | undefined;
/** What the page says of its run. */
const published = (): Promise<StoredManifest> => {
  stored ??= json<StoredManifest>('models.json');
  stored.catch(() => (stored = undefined));
  return stored;
};

async function open(): Promise<void> {
  const view = viewOf(location.hash);
  // the other views need nothing of the run
  if (view !== 'digits') void published().then(keepOffline, () => {});
  try {
    const content = await views[view]();
    if (view === viewOf(location.hash)) render(content, root);
  } catch (error) {
    render(
      <p class="problem page" role="alert">
        {view === 'digits' ? 'The demo cannot start: ' : 'This part of the page cannot be loaded: '}
        {(error as Error).message}{' '}
        {view === 'digits' && 'It takes a folder made by “sparring demo”, or “sparring serve”. '}
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

let shown = viewOf(location.hash);
addEventListener('hashchange', () => {
  const view = viewOf(location.hash);
  if (view === shown) return;
  shown = view;
  scrollTo(0, 0);
  void open();
});

await open();
