import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import type { DemoData } from '../runtime/experiment/demo-data.ts';
import type { Manifest } from '../runtime/experiment/manifest.ts';
import { valuesOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import { attackOf } from '../runtime/attacks/index.ts';
import { configured, seed, type Method } from './attacks.ts';
import type { Choice } from './choice.ts';
import { startEngine, wasmThreads, type Engine } from './engine/client.ts';
import type { Backend, Models, Reply } from './engine/protocol.ts';
import { findWebGpu, noteOn, type WebGpu } from './engine/webgpu.ts';
import { feasible, lineUp, possibleIn, seriesOf, type LineUp, type Series } from './lineup.ts';
import { fromHash, toHash } from './permalink.ts';
import { viewOf } from './route.ts';
import { progressOf, runtimeName, type Progress } from './progress.ts';
import { isAnswer, isEmpty, sameAttack, shippedResults, type Results } from './results.ts';
import { digitsOf, wordsFor, type Digit, type Words } from './samples.ts';

/** A picture with what is known of it. */
export type Picture = Pick<Choice, 'source' | 'pixels' | 'label'>;

/** The state of the page and the ways to change it. */
export interface Demo {
  readonly manifest: Manifest;
  /** What the classifiers read. */
  readonly card: ClassifierCard;
  readonly data: DemoData;
  readonly digits: readonly Digit[];
  readonly words: Words;
  readonly series: readonly Series[];
  readonly choice: ReadonlySignal<Choice>;
  readonly lineUp: ReadonlySignal<LineUp>;
  /** Whether there is nothing on the picture, and so nothing to attack. */
  readonly empty: ReadonlySignal<boolean>;
  /** What is shown: of the newest choice, or for a moment of the one before. Null when nothing is known. */
  readonly results: ReadonlySignal<Results | null>;
  readonly busy: ReadonlySignal<boolean>;
  /** What went wrong, in one line. */
  readonly failure: ReadonlySignal<string | null>;
  /** Bytes of ONNX Runtime and of the models; null when all are there. */
  readonly download: ReadonlySignal<Progress | null>;
  /** Null until the worker is ready. */
  readonly engine: ReadonlySignal<{ readonly backend: Backend; readonly threads: number } | null>;
  readonly webGpu: ReadonlySignal<boolean>;
  /** What is to be said of the backend; null where nothing is. */
  readonly note: ReadonlySignal<string | null>;
  /** Whether the backend was chosen on this page, not by a link. */
  readonly ownBackend: ReadonlySignal<boolean>;
  readonly undoable: ReadonlySignal<boolean>;
  choose(change: Partial<Omit<Choice, keyof Picture>>): void;
  /** Takes another picture. `goesOn`: as part of the same stroke, which is undone as one. */
  show(picture: Partial<Picture>, goesOn?: boolean): void;
  undo(): void;
  /** Takes a sample at random, another than the one that is shown. */
  random(): void;
  /** Tries again what failed. */
  retry(): void;
}

/** Results of an older choice stand for this long at most while newer ones are computed, in milliseconds. */
const staleFor = 250;
/** How many pictures can be had back. */
const remembered = 50;

/** Reads the address, starts the worker and keeps both in step with what is chosen. */
export async function startDemo(manifest: Manifest, data: DemoData): Promise<Demo> {
  const { classifier: card } = manifest;
  const digits = digitsOf(data.samples);
  const series = seriesOf(manifest);
  const choice = signal(feasible(await initialChoice(data, digits, series, card), manifest));
  const line = computed(() => lineUp(manifest, choice.value));
  const empty = computed(() => isEmpty(choice.value.pixels));
  const results = signal<Results | null>(shippedResults(data.first, choice.peek(), line.peek()));
  const busy = signal(true);
  const failure = signal<string | null>(null);
  const loaded = signal<ReadonlyMap<string, number>>(new Map());
  const ready = signal<{ readonly backend: Backend; readonly threads: number } | null>(null);

  const ownBackend = signal(false);
  const found = signal<WebGpu | null>(null);
  const broken = signal<string | null>(null);
  void findWebGpu().then((answer) => (found.value = answer));
  const webGpu = computed(
    () => broken.value === null && (found.value === 'hardware' || found.value === 'software'),
  );
  const backend = computed((): Backend | null => {
    const { backend: wish } = choice.value;
    if (wish === 'wasm' || broken.value !== null) return 'wasm';
    if (found.value === null) return null;
    return webGpu.value && (wish === 'webgpu' || found.value === 'hardware') ? 'webgpu' : 'wasm';
  });

  const attempt = signal(0);
  const again = signal(0);
  const engine = signal<Engine | null>(null);
  /** What is computed now. */
  let pending: Results | null = null;
  let jobs = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Shows what there is of the newest choice. */
  const turn = (): void => {
    clearTimeout(timer);
    results.value = pending;
  };
  const arrived = (job: number, part: (own: Results) => Partial<Results>): void => {
    if (pending?.job !== job) return;
    pending = { ...pending, ...part(pending) };
    if (results.peek()?.job === job || isAnswer(pending, choice.peek().method)) turn();
  };

  const onReply = (reply: Reply): void => {
    switch (reply.kind) {
      case 'ready':
        ready.value = { backend: reply.backend, threads: reply.threads };
        break;
      case 'download':
        loaded.value = new Map(loaded.value).set(reply.url, reply.loaded);
        break;
      case 'clean':
        arrived(reply.job, () => ({ clean: { label: reply.label, predictions: reply.predictions } }));
        break;
      case 'attacked':
        arrived(reply.job, ({ outcomes }) => ({
          outcomes: { ...outcomes, [reply.outcome.method]: reply.outcome },
        }));
        break;
      case 'done':
        if (reply.job === pending?.job) busy.value = false;
        break;
      case 'unavailable':
        broken.value = reply.message;
        break;
      case 'failed':
        if (reply.job !== null && reply.job !== pending?.job) break;
        batch(() => {
          failure.value = reply.message;
          busy.value = false;
          if (pending) turn();
        });
        break;
      default:
        reply satisfies never;
    }
  };

  effect(() => {
    void attempt.value;
    const kind = backend.value;
    if (!kind) return undefined;
    const own = startEngine(kind, wasmThreads(), onReply);
    batch(() => {
      ready.value = null;
      loaded.value = new Map();
      engine.value = own;
    });
    return () => own.close();
  });

  const models = computed((): Models => {
    const { attacker, classifiers, gradient } = line.value;
    return { attacker, classifiers, gradient };
  });
  // changes with what an attack depends on: not with the method, because all of them are computed
  let asked = choice.peek();
  const wanted = computed(() => {
    if (!sameAttack(asked, choice.value)) asked = choice.value;
    return asked;
  });
  effect(() => {
    void wanted.value;
    void again.value;
    const own = engine.value;
    if (!own) return;
    clearTimeout(timer);
    const chosen = choice.peek();
    const { scale, target } = line.peek();
    if (isEmpty(chosen.pixels)) {
      pending = null;
      batch(() => {
        busy.value = false;
        failure.value = null;
        results.value = null;
      });
      own.load({ models: models.peek() });
      return;
    }
    const shown = results.peek();
    // the same attack again, or the one that came with the page: what is known of it stays until it is computed anew
    const known = shown && sameAttack(shown.choice, chosen) ? shown : { clean: null, outcomes: {} };
    const { clean, outcomes } = known;
    pending = { job: ++jobs, choice: chosen, lineUp: line.peek(), clean, outcomes };
    timer = setTimeout(turn, staleFor);
    batch(() => {
      busy.value = true;
      failure.value = null;
    });
    const { pixels, label, aim, eps, clip, bits, method } = chosen;
    // what is looked at comes first, and what asks hundreds of questions last
    const turnOf = (one: Method): number => (one === method ? -1 : Number(attackOf(one).access === 'logits'));
    own.attack({
      job: jobs,
      image: pixels,
      card,
      label,
      aim,
      eps,
      clip,
      bits,
      models: models.peek(),
      scale,
      target,
      seed,
      attacks: possibleIn(line.peek(), chosen)
        .toSorted((a, b) => turnOf(a) - turnOf(b))
        .map(configured),
    });
  });

  const past = signal<readonly Picture[]>([]);
  const choose = (change: Partial<Choice>): void => {
    choice.value = feasible({ ...choice.peek(), ...change }, manifest);
  };
  const remember = (): void => {
    const { source, pixels, label } = choice.peek();
    past.value = [...past.value, { source, pixels, label }].slice(-remembered);
  };

  keepAddress(choice);
  let links = 0;
  addEventListener('hashchange', ({ newURL }) => {
    // not location.hash: an older choice may have been written there since
    const { hash } = new URL(newURL);
    if (viewOf(hash) !== 'digits') return;
    const link = ++links;
    void fromHash(hash, digits, card).then((change) => {
      if (link !== links) return;
      if (change.pixels) remember();
      choose(change);
    });
  });

  return {
    manifest,
    card,
    data,
    digits,
    words: wordsFor(data.samples?.name ?? '', card),
    series,
    choice,
    lineUp: line,
    empty,
    results,
    busy,
    failure,
    webGpu,
    ownBackend,
    engine: ready,
    undoable: computed(() => past.value.length > 0),
    note: computed(() => noteOn(found.value, choice.value.backend, broken.value)),
    download: computed(() => {
      const kind = backend.value ?? 'wasm';
      const { attacker, classifiers, gradient } = models.value;
      const needed = [
        { url: runtimeName, bytes: WASM_BYTES[kind] },
        ...Object.values(classifiers),
        ...(gradient ? [gradient] : []),
        attacker,
      ];
      const progress = progressOf(needed, loaded.value);
      return progress.loaded < progress.total ? progress : null;
    }),
    choose(change) {
      if ('backend' in change) ownBackend.value = true;
      choose(change);
    },
    show(picture, goesOn = false) {
      if (!goesOn) remember();
      choose(picture);
    },
    undo() {
      const last = past.peek().at(-1);
      if (!last) return;
      batch(() => {
        past.value = past.peek().slice(0, -1);
        choose(last);
      });
    },
    random() {
      const { source } = choice.peek();
      const others = digits.filter(({ index }) => source.kind !== 'digit' || source.index !== index);
      const digit = others[Math.floor(Math.random() * others.length)];
      if (!digit) return;
      remember();
      choose(pictureOf(digit));
    },
    retry() {
      // without a runtime the worker has no way back; with one, only what failed is fetched again
      if (ready.peek()) again.value++;
      else attempt.value++;
    },
  };
}

/** A sample as a picture. */
export const pictureOf = ({ index, label, pixels }: Digit): Picture => ({
  source: { kind: 'digit', index },
  pixels,
  label,
});

async function initialChoice(
  { first }: DemoData,
  digits: readonly Digit[],
  series: readonly Series[],
  card: ClassifierCard,
): Promise<Choice> {
  const digit = digits.find(({ index }) => index === first?.index) ?? digits[0];
  const [own] = series;
  const cell = own!.cells.at(-1)!;
  return {
    ...(digit
      ? pictureOf(digit)
      : {
          source: { kind: 'own', name: 'drawing' },
          pixels: new Float32Array(valuesOf(card.image)),
          label: null,
        }),
    method: 'generator',
    aim: null,
    eps: cell.eps,
    clip: cell.clip,
    bits: null,
    weights: cell.models.attackerCompact ? 'compact' : 'full',
    series: own!.id,
    backend: null,
    ...(await fromHash(location.hash, digits, card)),
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
        () =>
          void toHash(own).then((hash) => {
            if (viewOf(location.hash) === 'digits') history.replaceState(null, '', `#${hash}`);
          }),
        300,
      );
    }
    first = false;
  });
}
