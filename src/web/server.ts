import { nestedOf, type Nested } from '../runtime/classifier-card.ts';
import type { ImageShape } from '../runtime/attacks/images.ts';
import type { Choice } from './choice.ts';
import type { Outcome, Predictions } from './engine/protocol.ts';
import type { LineUp } from './lineup.ts';

/** How the server's answer differs from the browser's, at most, over all pixels and over all probabilities. */
export interface Agreement {
  readonly perturbation: number;
  readonly attacked: number;
  readonly probabilities: number;
  /** From asking to having the answer. */
  readonly milliseconds: number;
}

/** What is read of the answer to `POST /attack`. */
interface Answer {
  readonly results: readonly {
    readonly perturbation: Nested;
    readonly attacked: Nested;
    readonly c1: Verdict;
    readonly c2?: Verdict;
  }[];
}

interface Verdict {
  readonly before: { readonly probabilities: readonly number[] };
  readonly after: { readonly probabilities: readonly number[] };
}

/**
 * Has the server attack the same image with the same attacker, and compares.
 *
 * @param url of its `POST /attack`.
 * @throws Error in one line when it refuses or cannot be reached.
 */
export async function askServer(
  url: string,
  image: ImageShape,
  { pixels, label, clip, bits }: Choice,
  { cell, target }: LineUp,
  outcome: Outcome,
  clean: Predictions,
): Promise<Agreement> {
  const started = performance.now();
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({
      images: [nestedOf(pixels, image)],
      attacker: cell.folder,
      clip,
      ...(label !== null && { labels: [label] }),
      ...(bits && { bits }),
    }),
  }).catch(() => {
    throw new Error('The server cannot be reached.');
  });
  if (!response.ok) {
    const { detail } = (await response.json().catch(() => ({}))) as { detail?: string };
    throw new Error(`The server refused: ${detail ?? `HTTP ${response.status}`}`);
  }
  const [own] = ((await response.json()) as Answer).results;
  const milliseconds = performance.now() - started;
  const pairs: readonly (readonly [Verdict, Float32Array | undefined, Float32Array | undefined])[] = [
    [own!.c1, clean[target], outcome.predictions[target]],
    // an alternating cell has a C2 of its own, which the page does not show
    ...(target === 'c1' && own!.c2 ? ([[own!.c2, clean.c2, outcome.predictions.c2]] as const) : []),
  ];
  return {
    perturbation: apart(flat(own!.perturbation), outcome.perturbation),
    attacked: apart(flat(own!.attacked), outcome.attacked),
    probabilities: Math.max(
      ...pairs.flatMap(([said, before, after]) => [
        before ? apart(said.before.probabilities, before) : 0,
        after ? apart(said.after.probabilities, after) : 0,
      ]),
    ),
    milliseconds,
  };
}

const flat = (image: Nested): readonly number[] => (image as readonly number[][]).flat(2);

const apart = (a: readonly number[], b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
