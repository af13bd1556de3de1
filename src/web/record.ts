import type { Manifest } from '../runtime/experiment/manifest.ts';
import { methods, pgd, type Choice } from './choice.ts';
import type { Backend, Predictions } from './engine/protocol.ts';
import type { LineUp } from './lineup.ts';
import type { Clean, Results } from './results.ts';
import { highest, verdict } from './verdict.ts';

/** What the page shows, all of it. */
export interface Shown {
  readonly manifest: Manifest;
  readonly choice: Choice;
  readonly lineUp: LineUp;
  readonly clean: Clean;
  readonly outcomes: Results['outcomes'];
  readonly engine: { readonly backend: Backend; readonly threads: number };
}

/** What the page shows as plain JSON: enough to check every number elsewhere. */
export function recordOf({ manifest, choice, lineUp, clean, outcomes, engine }: Shown): object {
  const { cell, scale, target } = lineUp;
  const models = Object.fromEntries(
    Object.entries(cell.models).map(([name, { sha256 }]) => [name, sha256] as const),
  );
  return {
    schema: 1,
    run: manifest.run,
    attacker: {
      folder: cell.folder,
      mode: cell.mode,
      eps: cell.eps,
      bound: cell.bound,
      seed: cell.seed,
      scale,
      weights: choice.weights === 'full' ? 'float32' : '8 bits',
    },
    models,
    threat: { norm: 'linf', eps: choice.eps, clip: choice.clip, bits: choice.bits },
    engine,
    pgd,
    image: { source: choice.source, pixels: rows(choice.pixels) },
    label: clean.label,
    target,
    before: predictionsOf(clean.predictions),
    attacks: methods
      .flatMap((method) => outcomes[method] ?? [])
      .map((outcome) => ({
        method: outcome.method,
        result: verdict(clean.predictions[target]!, outcome.predictions[target]!, clean.label).kind,
        linf: outcome.linf,
        l2: outcome.l2,
        gradientSteps: outcome.gradientSteps,
        milliseconds: outcome.milliseconds,
        after: predictionsOf(outcome.predictions),
        perturbation: rows(outcome.perturbation),
        attacked: rows(outcome.attacked),
      })),
  };
}

const predictionsOf = (predictions: Predictions): object =>
  Object.fromEntries(
    Object.entries(predictions).map(([name, probabilities]) => [
      name,
      { prediction: highest(probabilities), probabilities: [...probabilities] },
    ]),
  );

const rows = (image: Float32Array): readonly (readonly number[])[] =>
  Array.from({ length: 28 }, (_, row) => [...image.subarray(28 * row, 28 * row + 28)]);
