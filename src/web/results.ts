import type { Method } from './attacks.ts';
import { constrain, distances } from '../runtime/attacks/constrain.ts';
import { fromBase64, type FirstResult } from '../runtime/experiment/demo-data.ts';
import type { Choice } from './choice.ts';
import type { ClassifierName, Outcome, Predictions } from './engine/protocol.ts';
import type { LineUp } from './lineup.ts';

/** What the clean image was taken for. */
export interface Clean {
  readonly label: number;
  readonly predictions: Predictions;
}

/** What was computed for one choice, and nothing of another: what the page may show together. */
export interface Results {
  /** The job's number; 0 for the result that came with the page. */
  readonly job: number;
  readonly choice: Choice;
  readonly lineUp: LineUp;
  /** Null until it is computed. */
  readonly clean: Clean | null;
  /** The methods that are done. */
  readonly outcomes: Readonly<Partial<Record<Method, Outcome>>>;
}

/** Whether there is enough to say how the chosen attack ended. */
export const isAnswer = ({ clean, outcomes }: Results, method: Method): boolean =>
  clean !== null && outcomes[method] !== undefined;

/** Whether the attacker's result came with the page and was not computed here yet. */
export const isShipped = ({ outcomes }: Results): boolean => outcomes.generator?.milliseconds === null;

/** Whether an attack on one choice is also one on the other: all is equal that an attack depends on. */
export function sameAttack(a: Choice, b: Choice): boolean {
  return (
    a.eps === b.eps &&
    a.clip === b.clip &&
    a.bits === b.bits &&
    a.weights === b.weights &&
    a.series === b.series &&
    a.label === b.label &&
    a.aim === b.aim &&
    (a.pixels === b.pixels || a.pixels.every((value, i) => value === b.pixels[i]))
  );
}

/** Whether a picture has nothing on it. */
export const isEmpty = (pixels: Float32Array): boolean => pixels.every((value) => value === 0);

/**
 * The result that came with the page, if it is one for this choice: of the same image, by the same attacker, at the eps
 * and clipping of its cell, and with every classifier that the page shows.
 */
export function shippedResults(first: FirstResult | null, choice: Choice, lineUp: LineUp): Results | null {
  const { cell, scale, classifiers } = lineUp;
  const attacker = choice.weights === 'compact' ? cell.models.attackerCompact : cell.models.attacker;
  if (
    !first ||
    choice.source.kind !== 'digit' ||
    choice.source.index !== first.index ||
    choice.label === null ||
    choice.aim !== null ||
    cell.folder !== first.folder ||
    attacker?.sha256 !== first.attacker ||
    scale !== 1 ||
    choice.clip !== cell.clip ||
    choice.bits !== null
  ) {
    return null;
  }
  const said = Object.entries(classifiers).map(
    ([name, { sha256 }]) => [name as ClassifierName, first.predictions[sha256]] as const,
  );
  if (said.some(([, predictions]) => !predictions)) return null;
  const part = (when: 'before' | 'after'): Predictions =>
    Object.fromEntries(said.map(([name, own]) => [name, Float32Array.from(own![when])]));
  const perturbation = new Float32Array(fromBase64(first.perturbation).buffer);
  const attacked = constrain(choice.pixels, perturbation, choice);
  const outcome: Outcome = {
    method: 'generator',
    perturbation,
    attacked,
    ...distances(choice.pixels, attacked),
    predictions: part('after'),
    milliseconds: null,
    gradientSteps: 0,
  };
  return {
    job: 0,
    choice,
    lineUp,
    clean: { label: choice.label, predictions: part('before') },
    outcomes: { generator: outcome },
  };
}
