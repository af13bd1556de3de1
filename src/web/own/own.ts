import { batch, computed, effect, signal, type ReadonlySignal } from '@preact/signals';
import { needsGradients } from '../attacks.ts';
import { readDigit } from '../digits/file.ts';
import { readsDigits } from '../digits/shape.ts';
import { takeSeat, type Seat } from '../engine/seat.ts';
import { readImage } from '../picture/file.ts';
import type { Tried } from '../smallest.ts';
import type { OwnOutcome, OwnReply, OwnRequest, Understood } from './engine/protocol.ts';
import { labelsOf, sortFiles } from './files.ts';
import type { OwnMethod } from './methods.ts';
import { pageFiles } from './page-files.ts';
import { optionsOf, untold, type Preparation } from './preparation.ts';

/** A picture as the model takes it. */
export interface OwnPicture {
  readonly name: string;
  /** In 0..1, [channel, row, column]. */
  readonly values: Float32Array;
}

/** How a picture is attacked. */
export interface OwnChoice {
  readonly method: OwnMethod;
  readonly eps: number;
  /** Of the picture; null for what the model says. */
  readonly label: number | null;
  /** Null for any other class. */
  readonly target: number | null;
  readonly picture: number;
}

/** What is known of the picture and the attack on it. */
export interface OwnResult {
  readonly picture: OwnPicture;
  readonly before: Float32Array;
  readonly label: number;
  readonly target: number | null;
  readonly outcome: OwnOutcome | null;
  /** What a search for the smallest eps has tried so far. */
  readonly tried: readonly Tried[];
  /** What it found; undefined where it is not done or was not asked for, null where nothing fooled. */
  readonly smallest: number | null | undefined;
}

/** The state of the view and the ways to change it. */
export interface Own {
  readonly seat: Seat<OwnRequest>;
  readonly model: ReadonlySignal<{ readonly name: string; readonly bytes: number } | null>;
  readonly opening: ReadonlySignal<boolean>;
  readonly understood: ReadonlySignal<Understood | null>;
  readonly preparation: ReadonlySignal<Preparation>;
  readonly pictures: ReadonlySignal<readonly OwnPicture[]>;
  readonly choice: ReadonlySignal<OwnChoice>;
  readonly result: ReadonlySignal<OwnResult | null>;
  /** Steps of the attack that runs; null while none does. */
  readonly step: ReadonlySignal<number | null>;
  /** What is wrong with what was dropped or said, in one line. */
  readonly refused: ReadonlySignal<string | null>;
  take(files: readonly File[]): void;
  /** Takes the target of the page's own run, with samples. */
  takePages(): void;
  prepare(change: Partial<Preparation>): void;
  choose(change: Partial<OwnChoice>): void;
  attack(): void;
  findSmallest(): void;
  stop(): void;
  close(): void;
}

/** The largest eps that can be chosen. */
export const mostEps = 80 / 255;

/** Starts the worker of this view. */
export function startOwn(): Own {
  const model = signal<File | null>(null);
  const beside = signal<readonly File[]>([]);
  const labels = signal<readonly string[] | null>(null);
  const preparation = signal<Preparation>(untold);
  const opening = signal(false);
  const understood = signal<Understood | null>(null);
  const files = signal<readonly File[]>([]);
  const pictures = signal<readonly OwnPicture[]>([]);
  const choice = signal<OwnChoice>({ method: 'fgsm', eps: 8 / 255, label: null, target: null, picture: 0 });
  const result = signal<OwnResult | null>(null);
  const step = signal<number | null>(null);
  const refused = signal<string | null>(null);
  let job = 0;

  const onReply = (reply: OwnReply): void => {
    if ('job' in reply && reply.job !== job) return;
    const known = result.peek();
    switch (reply.kind) {
      case 'opened':
        batch(() => {
          opening.value = false;
          understood.value = reply.understood;
          choice.value = firstChoice(reply.understood, choice.peek());
        });
        break;
      case 'refused':
        batch(() => {
          opening.value = false;
          refused.value = reply.message;
        });
        break;
      case 'answered':
        result.value = {
          picture: pictures.peek()[choice.peek().picture]!,
          before: reply.before,
          label: reply.label,
          target: choice.peek().target,
          outcome: null,
          tried: [],
          smallest: undefined,
        };
        break;
      case 'step':
        step.value = reply.step;
        break;
      case 'tried':
        result.value = { ...known!, tried: [...known!.tried, { eps: reply.eps, fooled: reply.fooled }] };
        break;
      case 'attacked':
        result.value = { ...known!, outcome: reply.outcome };
        break;
      case 'done':
        batch(() => {
          step.value = null;
          if (known!.tried.length > 0) result.value = { ...known!, smallest: reply.smallest };
        });
        break;
      case 'stopped':
        step.value = null;
        break;
      case 'broken':
        batch(() => {
          step.value = null;
          refused.value = reply.message;
        });
        break;
      default:
        reply satisfies never;
    }
  };

  const openRequest = (): OwnRequest | null => {
    const file = model.peek();
    if (!file) return null;
    const options = { ...optionsOf(preparation.peek()), ...(labels.peek() && { labels: labels.peek()! }) };
    return { kind: 'open', model: file, beside: beside.peek(), options };
  };
  const seat = takeSeat<OwnRequest, OwnReply>(
    () => new Worker(new URL('./engine/worker.ts', import.meta.url), { type: 'module' }),
    null,
    onReply,
    (send) => {
      const request = openRequest();
      if (request) send(request);
    },
  );
  const open = (): void => {
    try {
      const request = openRequest();
      if (!request) return;
      batch(() => {
        refused.value = null;
        opening.value = true;
        understood.value = null;
        result.value = null;
        step.value = null;
      });
      seat.send(request);
    } catch (error) {
      refused.value = (error as Error).message;
    }
  };

  // pictures are read in the size of the model's images
  effect(() => {
    const card = understood.value;
    const all = files.value;
    if (!card || all.length === 0) {
      pictures.value = [];
      return;
    }
    void Promise.allSettled(
      all.map(async (file) => ({
        name: file.name,
        values: readsDigits(card) ? await readDigit(file) : await readImage(file, card.image),
      })),
    ).then((read) => {
      if (understood.peek() !== card || files.peek() !== all) return;
      const bad = read.findIndex(({ status }) => status === 'rejected');
      batch(() => {
        if (bad >= 0)
          refused.value = `${all[bad]!.name}: ${((read[bad] as PromiseRejectedResult).reason as Error).message}`;
        pictures.value = read.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
        choice.value = { ...choice.peek(), picture: 0, label: null };
      });
    });
  });

  const ask = (kind: 'attack' | 'smallest'): void => {
    const picture = pictures.peek()[choice.peek().picture];
    if (!picture || !understood.peek()) return;
    const { method, eps, label, target } = choice.peek();
    batch(() => {
      refused.value = null;
      step.value = 0;
    });
    seat.send({
      kind,
      job: ++job,
      image: picture.values,
      label,
      target,
      method,
      eps: kind === 'smallest' ? mostEps : eps,
      seed: 1,
    });
  };
  // what is chosen is done at once
  effect(() => {
    void choice.value;
    if (pictures.value.length > 0 && understood.value) ask('attack');
  });

  const take = (all: readonly File[]): void => {
    const sorted = sortFiles(all);
    batch(() => {
      if (sorted.model) {
        model.value = sorted.model;
        preparation.value = untold;
        labels.value = null;
        beside.value = sorted.beside;
      } else {
        beside.value = [...beside.peek(), ...sorted.beside];
      }
      if (sorted.pictures.length > 0) files.value = sorted.pictures;
    });
    const again = sorted.model !== null || sorted.beside.length > 0;
    if (sorted.labels) {
      void sorted.labels.text().then((text) => {
        labels.value = labelsOf(text);
        open();
      });
    } else if (again) open();
  };

  return {
    seat,
    model: computed(() => model.value && { name: model.value.name, bytes: model.value.size }),
    opening,
    understood,
    preparation,
    pictures,
    choice,
    result,
    step,
    refused,
    take,
    takePages() {
      pageFiles().then(take, (error: unknown) => (refused.value = (error as Error).message));
    },
    prepare(change) {
      preparation.value = { ...preparation.peek(), ...change };
      open();
    },
    choose(change) {
      choice.value = { ...choice.peek(), ...change };
    },
    attack: () => ask('attack'),
    findSmallest: () => ask('smallest'),
    stop: () => seat.send({ kind: 'stop' }),
    close: () => seat.close(),
  };
}

/** A method that the model allows, and an eps that suits its images: digits take more than photos. */
function firstChoice(
  { image, noGradient, classes }: Understood,
  { method, eps, ...rest }: OwnChoice,
): OwnChoice {
  const inRange = (one: number | null): number | null => (one !== null && one < classes ? one : null);
  const small = image.channels === 1 && Math.max(image.height, image.width) < 64;
  return {
    ...rest,
    label: inRange(rest.label),
    target: inRange(rest.target),
    method: noGradient !== null && needsGradients(method) ? 'square' : method,
    eps: small && eps === 8 / 255 ? 40 / 255 : eps,
  };
}
