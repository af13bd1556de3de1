import type { Manifest } from '../runtime/experiment/manifest.ts';
import { nestedOf } from '../runtime/classifier-card.ts';
import { methods, seed, shownAttacks } from './attacks.ts';
import type { Choice } from './choice.ts';
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
  const { image } = manifest.classifier;
  const { steps, stepSize } = shownAttacks.pgd.settings;
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
    threat: { norm: 'linf', eps: choice.eps, clip: choice.clip, bits: choice.bits, aim: choice.aim },
    engine,
    pgd: { steps, stepSize, seed },
    image: { source: choice.source, pixels: nestedOf(choice.pixels, image) },
    label: clean.label,
    target,
    before: predictionsOf(clean.predictions),
    attacks: methods
      .flatMap((method) => outcomes[method] ?? [])
      .map((outcome) => ({
        method: shownAttacks[outcome.method].id,
        settings: shownAttacks[outcome.method].settings,
        result: verdict(clean.predictions[target]!, outcome.predictions[target]!, clean.label, choice.aim)
          .kind,
        linf: outcome.linf,
        l2: outcome.l2,
        gradientSteps: outcome.gradientSteps,
        milliseconds: outcome.milliseconds,
        after: predictionsOf(outcome.predictions),
        perturbation: nestedOf(outcome.perturbation, image),
        attacked: nestedOf(outcome.attacked, image),
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
