import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import type { Manifest } from '../runtime/manifest.ts';
import { methods, pgd, type Choice } from './choice.ts';
import { bundledDigits, type Digit } from './digits.ts';
import { findWebGpu, startEngine, wasmThreads, type Engine } from './engine/client.ts';
import type { Backend, Method, Outcome, Predictions, Reply } from './engine/protocol.ts';
import { lineUp, seriesOf, type LineUp, type Series } from './lineup.ts';
import { fromHash, toHash } from './permalink.ts';

/** What the clean image was taken for. */
export interface Clean {
  readonly label: number;
  readonly predictions: Predictions;
}

/** The state of the page and the ways to change it. */
export interface Demo {
  readonly manifest: Manifest;
  readonly digits: readonly Digit[];
  readonly series: readonly Series[];
  readonly choice: ReadonlySignal<Choice>;
  readonly lineUp: ReadonlySignal<LineUp>;
  readonly clean: ReadonlySignal<Clean | null>;
  /** The last outcome of each method; while `busy`, some may be of an older choice. */
  readonly outcomes: ReadonlySignal<Readonly<Partial<Record<Method, Outcome>>>>;
  readonly busy: ReadonlySignal<boolean>;
  readonly failure: ReadonlySignal<string | null>;
  /** Bytes of the models that are being fetched; null when there are none. */
  readonly download: ReadonlySignal<{ readonly loaded: number; readonly total: number } | null>;
  /** Null until the worker is ready. */
  readonly engine: ReadonlySignal<{ readonly backend: Backend; readonly threads: number } | null>;
  readonly webGpu: boolean;
  choose(change: Partial<Choice>): void;
}

/** Reads the address, starts the worker and keeps both in step with what is chosen. */
export async function startDemo(manifest: Manifest): Promise<Demo> {
  const digits = bundledDigits();
  const series = seriesOf(manifest);
  const found = await findWebGpu();
  const webGpu = found !== 'none';
  const preferred: Backend = found === 'hardware' ? 'webgpu' : 'wasm';
  const choice = signal(await initialChoice(digits, series));
  const line = computed(() => lineUp(manifest, choice.value));
  const clean = signal<Clean | null>(null);
  const outcomes = signal<Readonly<Partial<Record<Method, Outcome>>>>({});
  const busy = signal(true);
  const failure = signal<string | null>(null);
  const downloads = signal<ReadonlyMap<string, { readonly loaded: number; readonly total: number }>>(
    new Map(),
  );
  const ready = signal<{ readonly backend: Backend; readonly threads: number } | null>(null);
  let job = 0;

  const onReply = (reply: Reply): void => {
    switch (reply.kind) {
      case 'ready':
        ready.value = { backend: reply.backend, threads: reply.threads };
        break;
      case 'download':
        downloads.value = new Map(downloads.value).set(reply.url, reply);
        break;
      case 'clean':
        clean.value = { label: reply.label, predictions: reply.predictions };
        break;
      case 'attacked':
        outcomes.value = { ...outcomes.value, [reply.outcome.method]: reply.outcome };
        break;
      case 'done':
        if (reply.job === job) busy.value = false;
        break;
      case 'failed':
        if (reply.job !== null && reply.job !== job) break;
        batch(() => {
          failure.value = reply.message;
          busy.value = false;
        });
        break;
      default:
        reply satisfies never;
    }
  };

  const backend = computed(() => choice.value.backend ?? preferred);
  const engine = signal<Engine | null>(null);
  effect(() => {
    const own = startEngine(backend.value, wasmThreads(), onReply);
    batch(() => {
      ready.value = null;
      downloads.value = new Map();
      engine.value = own;
    });
    return () => own.close();
  });

  // what an attack depends on: not the method, because all of them are computed
  const wanted = computed(() => ({ ...choice.value, method: undefined }));
  const key = computed(() => JSON.stringify({ ...wanted.value, pixels: Array.from(wanted.value.pixels) }));
  effect(() => {
    void key.value;
    const own = engine.value;
    if (!own) return;
    const { pixels, label, eps, clip, bits, method } = choice.peek();
    const { attacker, scale, classifiers, target, attackStep } = line.peek();
    const possible = methods.filter((m) => m === 'attacker' || attackStep);
    batch(() => {
      busy.value = true;
      failure.value = null;
    });
    own.attack({
      job: ++job,
      image: pixels,
      label,
      eps,
      clip,
      bits,
      classifiers,
      target,
      attackStep,
      pgd,
      attacker: { ...attacker, scale },
      methods: possible.toSorted((a, b) => Number(b === method) - Number(a === method)),
    });
  });

  keepAddress(choice);
  addEventListener('hashchange', () => {
    void fromHash(location.hash, digits).then((change) => (choice.value = { ...choice.value, ...change }));
  });

  return {
    manifest,
    digits,
    series,
    choice,
    lineUp: line,
    clean,
    outcomes,
    busy,
    failure,
    webGpu,
    engine: ready,
    download: computed(() => total(downloads.value)),
    choose: (change) => (choice.value = { ...choice.value, ...change }),
  };
}

async function initialChoice(digits: readonly Digit[], series: readonly Series[]): Promise<Choice> {
  const first = digits.find(({ label }) => label === 7) ?? digits[0]!;
  const [own] = series;
  const cell = own!.cells.at(-1)!;
  return {
    source: { kind: 'digit', index: first.index },
    pixels: first.pixels,
    label: first.label,
    method: 'attacker',
    eps: cell.eps,
    clip: cell.clip,
    bits: null,
    weights: cell.models.attackerCompact ? 'compact' : 'full',
    series: own!.id,
    backend: null,
    ...(await fromHash(location.hash, digits)),
  };
}

/** Writes the choice into the address when it has rested for a moment; browsers refuse more than a few changes a second. */
function keepAddress(choice: ReadonlySignal<Choice>): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let first = true;
  effect(() => {
    const own = choice.value;
    clearTimeout(timer);
    // an address without choices stays as it is until something is chosen
    if (!first) {
      timer = setTimeout(
        () => void toHash(own).then((hash) => history.replaceState(null, '', `#${hash}`)),
        300,
      );
    }
    first = false;
  });
}

function total(
  downloads: ReadonlyMap<string, { readonly loaded: number; readonly total: number }>,
): { readonly loaded: number; readonly total: number } | null {
  const open = [...downloads.values()];
  if (open.every(({ loaded, total: all }) => loaded === all)) return null;
  const sum = (key: 'loaded' | 'total'): number => open.reduce((n, d) => n + d[key], 0);
  return { loaded: sum('loaded'), total: sum('total') };
}
