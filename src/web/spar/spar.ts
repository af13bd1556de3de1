import { batch, effect, signal, type ReadonlySignal } from '@preact/signals';
import { takeSeat, type Seat } from '../engine/seat.ts';
import { viewOf } from '../route.ts';
import type { Measured, Phase, Ring, SparReply, SparRequest } from './engine/protocol.ts';
import { fromSparHash, toSparHash, type Hideable, type SparSettings } from './settings.ts';

/** The state of the view and the ways to change it. */
export interface Spar {
  readonly seat: Seat<SparRequest>;
  readonly settings: ReadonlySignal<SparSettings>;
  /** What the link hides. */
  readonly hidden: ReadonlySignal<readonly Hideable[]>;
  readonly playing: ReadonlySignal<boolean>;
  readonly phase: ReadonlySignal<Phase>;
  readonly step: ReadonlySignal<number>;
  /** Steps that are left of school. */
  readonly left: ReadonlySignal<number>;
  /** Of the last steps of this phase, the middle one; null before there are some. */
  readonly stepTime: ReadonlySignal<number | null>;
  readonly curve: ReadonlySignal<readonly Measured[]>;
  readonly ring: ReadonlySignal<Ring | null>;
  readonly broken: ReadonlySignal<string | null>;
  /** Digits to learn from; null until they are there. */
  readonly digits: ReadonlySignal<{ readonly train: number; readonly test: number } | null>;
  change(part: Partial<SparSettings>): void;
  play(): void;
  pause(): void;
  oneStep(): void;
  restart(): void;
  close(): void;
}

/** Steps whose time is remembered. */
const timed = 21;

/** Starts the worker of this view, with what the address says. */
export function startSpar(): Spar {
  const link = fromSparHash(location.hash);
  const settings = signal(link.settings);
  const hidden = signal(link.hidden);
  const playing = signal(false);
  const phase = signal<Phase>('school');
  const step = signal(0);
  const left = signal(0);
  const times = signal<readonly number[]>([]);
  const stepTime = signal<number | null>(null);
  const curve = signal<readonly Measured[]>([]);
  const ring = signal<Ring | null>(null);
  const broken = signal<string | null>(null);
  const digits = signal<{ readonly train: number; readonly test: number } | null>(null);

  const onReply = (reply: SparReply): void => {
    batch(() => {
      switch (reply.kind) {
        case 'loaded':
          digits.value = { train: reply.train, test: reply.test };
          break;
        case 'stepped':
          times.value =
            reply.phase === phase.peek() ? [...times.peek(), reply.milliseconds].slice(-timed) : [];
          stepTime.value = middle(times.peek());
          phase.value = reply.phase;
          step.value = reply.step;
          left.value = reply.left;
          break;
        case 'measured':
          curve.value = [...curve.peek().filter((one) => one.step < reply.measured.step), reply.measured];
          ring.value = reply.ring;
          break;
        case 'broken':
          playing.value = false;
          if (seat.engine.peek()?.backend === 'webgpu') seat.fallBack(reply.message);
          else broken.value = reply.message;
          break;
        default:
          reply satisfies never;
      }
    });
  };
  const forget = (): void => {
    batch(() => {
      phase.value = 'school';
      step.value = 0;
      left.value = 0;
      times.value = [];
      stepTime.value = null;
      curve.value = [];
      ring.value = null;
      broken.value = null;
    });
  };
  const seat: Seat<SparRequest> = takeSeat<SparRequest, SparReply>(
    () => new Worker(new URL('./engine/worker.ts', import.meta.url), { type: 'module' }),
    link.backend,
    onReply,
    (send) => {
      forget();
      send({ kind: 'restart', settings: settings.peek() });
    },
  );

  const keep = effect(() => {
    const hash = toSparHash({ settings: settings.value, backend: link.backend, hidden: hidden.value });
    if (viewOf(location.hash) === 'spar') history.replaceState(null, '', `#${hash}`);
  });
  const followed = new AbortController();
  addEventListener(
    'hashchange',
    ({ newURL }) => {
      // not location.hash: older settings may have been written there since
      const { hash } = new URL(newURL);
      if (viewOf(hash) !== 'spar') return;
      const other = fromSparHash(hash);
      hidden.value = other.hidden;
      own.change(other.settings);
    },
    { signal: followed.signal },
  );

  const own: Spar = {
    seat,
    settings,
    hidden,
    playing,
    phase,
    step,
    left,
    stepTime,
    curve,
    ring,
    broken,
    digits,
    change(part) {
      const before = settings.peek();
      settings.value = { ...before, ...part };
      const { seed, width } = settings.peek();
      if (seed !== before.seed || width !== before.width) own.restart();
      else seat.send({ kind: 'change', settings: settings.peek() });
    },
    play() {
      playing.value = true;
      seat.send({ kind: 'play' });
    },
    pause() {
      playing.value = false;
      seat.send({ kind: 'pause' });
    },
    oneStep() {
      playing.value = false;
      seat.send({ kind: 'step' });
    },
    restart() {
      forget();
      seat.send({ kind: 'restart', settings: settings.peek() });
      if (playing.peek()) seat.send({ kind: 'play' });
    },
    close() {
      keep();
      followed.abort();
      seat.close();
    },
  };
  return own;
}

/** The middle of some numbers; null where there are none. */
const middle = (values: readonly number[]): number | null =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? null;
