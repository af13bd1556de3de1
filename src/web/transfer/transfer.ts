import { batch, computed, signal, type ReadonlySignal } from '@preact/signals';
import { seed } from '../attacks.ts';
import type { Demo } from '../demo.ts';
import { takeSeat, type Seat } from '../engine/seat.ts';
import { classifiersOf } from '../lineup.ts';
import type { OwnMethod } from '../own/methods.ts';
import type { Accuracies, MadeOn, TransferReply, TransferRequest } from './engine/protocol.ts';

/** What is known of how attacks carry over from one classifier to another. */
export interface Matrix {
  readonly method: OwnMethod;
  readonly eps: number;
  readonly clip: boolean;
  /** Images that were attacked. */
  readonly images: number;
  /** What the classifiers are called, in the order of the measurement. */
  readonly titles: readonly string[];
  /** Classifiers of the run that are left out, because there are too many. */
  readonly more: number;
  /** By what the images were made on. A text says why none can be. */
  readonly rows: ReadonlyMap<MadeOn, Accuracies | string>;
}

/** Of a run with more classifiers these are shown: the work grows with the square. */
const mostClassifiers = 6;

/** The measurement and the ways to it. */
export interface Transfer {
  /** Null until it was asked for. */
  readonly matrix: ReadonlySignal<Matrix | null>;
  /** What is computed now; null when nothing is. */
  readonly doing: ReadonlySignal<{ readonly on: MadeOn; readonly step: number } | null>;
  readonly broken: ReadonlySignal<string | null>;
  /** Measures with the settings of the page. */
  measure(): void;
  close(): void;
}

/**
 * The attack that the page shows, where it is one that can be made on any classifier; MI-FGSM otherwise, which carries over
 * best.
 */
export const transferMethod = ({ method }: Pick<Demo['choice']['value'], 'method'>): OwnMethod =>
  method === 'generator' || method === 'noise' ? 'mi-fgsm' : method;

/** Prepares a measurement on the samples of the page. There is a worker while it lasts. */
export function startTransfer(demo: Demo): Transfer {
  const matrix = signal<Matrix | null>(null);
  const doing = signal<{ readonly on: MadeOn; readonly step: number } | null>(null);
  const broken = signal<string | null>(null);
  const seat = signal<Seat<TransferRequest> | null>(null);
  let asked: TransferRequest | null = null;
  let job = 0;

  const onReply = (reply: TransferReply): void => {
    if (reply.job !== job) return;
    const row = (on: MadeOn, what: Accuracies | string): void => {
      const known = matrix.peek()!;
      matrix.value = { ...known, rows: new Map(known.rows).set(on, what) };
    };
    switch (reply.kind) {
      case 'step':
        doing.value = { on: reply.on, step: reply.step };
        break;
      case 'row':
        row(reply.on, reply.accuracies);
        break;
      case 'none':
        row(reply.on, reply.why);
        break;
      case 'done':
        doing.value = null;
        close();
        break;
      case 'broken':
        if (seat.peek()!.engine.peek()?.backend === 'webgpu') seat.peek()!.fallBack(reply.message);
        else {
          batch(() => {
            doing.value = null;
            broken.value = reply.message;
          });
        }
        break;
      default:
        reply satisfies never;
    }
  };
  const close = (): void => {
    seat.peek()?.close();
    seat.value = null;
  };
  const problem = computed(() => broken.value ?? seat.value?.failure.value ?? null);
  return {
    matrix,
    doing: computed(() => (problem.value === null ? doing.value : null)),
    broken: problem,
    measure() {
      if (problem.peek() !== null) close();
      const { eps, clip, backend } = demo.choice.peek();
      const all = classifiersOf(demo.manifest, demo.lineUp.peek());
      const classifiers = all.slice(0, mostClassifiers);
      const method = transferMethod(demo.choice.peek());
      const { digits } = demo;
      const size = digits[0]!.pixels.length;
      const images = new Float32Array(digits.length * size);
      digits.forEach(({ pixels }, i) => images.set(pixels, i * size));
      asked = {
        job: ++job,
        classifiers: classifiers.map(({ model }) => model),
        images,
        labels: Int32Array.from(digits, ({ label }) => label),
        method,
        eps,
        clip,
        seed,
      };
      batch(() => {
        const titles = classifiers.map(({ title }) => title);
        const more = all.length - classifiers.length;
        matrix.value = { method, eps, clip, images: digits.length, titles, more, rows: new Map() };
        doing.value = { on: 'clean', step: 0 };
        broken.value = null;
      });
      if (seat.peek()) seat.peek()!.send(asked);
      else {
        seat.value = takeSeat<TransferRequest, TransferReply>(
          () => new Worker(new URL('./engine/worker.ts', import.meta.url), { type: 'module' }),
          backend,
          onReply,
          (send) => send(asked!),
        );
      }
    },
    close,
  };
}
