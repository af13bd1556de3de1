import type { Mode } from '../../runtime/experiment/config.ts';
import { percent, points } from '../kit/format.ts';
import { cellsAt, type Cell, type ClassifierName } from './results.ts';
import { describeAccuracy, epochCurve, finalAccuracy, type View } from './statistics.ts';

/** The fraction of right answers of a classifier that guesses among ten classes. */
export const chance = 0.1;

/**
 * The thresholds by which the paper's words are judged, as fractions of the test set. The paper gives most figures as
 * "about", read off a curve; a tenth of the axis is what a reader can tell apart there.
 */
export const thresholds = {
  /** "no effect": the fall from clean accuracy is at most this. */
  noEffect: 0.02,
  /** "almost unchanged", "prevented": at most this. */
  hardly: 0.03,
  /** "a notable decrease": at least this. */
  notable: 0.05,
  /** "about x": at most this far from x. */
  about: 0.1,
  /** "far stronger on C1 than on C2": at least this far apart. */
  farStronger: 0.3,
  /** "hardly better than guessing": accuracy at most this, twice that of guessing. */
  guessing: 2 * chance,
  /** "clearly less": at least this far apart. */
  clearly: 0.1,
  /** "most of the success": at least this share. */
  most: 0.5,
} as const;

/** One measurable part of a claim. */
export interface Criterion {
  /** What must be so, with its threshold. */
  readonly demand: string;
  /** What was measured. */
  readonly measured: string;
  readonly holds: boolean;
}

const name = (classifier: ClassifierName): string => classifier.toUpperCase();
/** The mean attacked accuracy over the seeds. */
export const attacked = (cells: readonly Cell[], classifier: ClassifierName): number =>
  finalAccuracy(cells, classifier, 'attacked').mean;

/** What is to be said of the cells of one mode and eps, over their seeds; nothing where there are none. */
export function about<T>(
  cells: readonly Cell[],
  mode: Mode,
  eps: number,
  make: (at: readonly Cell[]) => T,
): readonly T[] {
  const at = cellsAt(cells, mode, eps);
  return at.length === 0 ? [] : [make(at)];
}

/** A fall from clean accuracy of at most, or of at least, a threshold. */
export function falls(
  cells: readonly Cell[],
  mode: Mode,
  eps: number,
  classifier: ClassifierName,
  bound: 'most' | 'least',
  threshold: number,
): readonly Criterion[] {
  return about(cells, mode, eps, (at) => {
    const accuracy = (view: View): number => finalAccuracy(at, classifier, view).mean;
    const fall = accuracy('clean') - accuracy('attacked');
    return {
      demand: `${name(classifier)} falls at ${bound} ${points(threshold)} at ${eps}, ${mode}`,
      measured: `${percent(accuracy('clean'))} clean, ${describeAccuracy(at, classifier, 'attacked')} attacked: ${points(fall)}`,
      holds: bound === 'most' ? fall <= threshold : fall >= threshold,
    };
  });
}

/** Attacked accuracy about as large as the paper says. */
export function isAbout(
  cells: readonly Cell[],
  mode: Mode,
  eps: number,
  classifier: ClassifierName,
  target: number,
): readonly Criterion[] {
  return about(cells, mode, eps, (at) => ({
    demand: `${name(classifier)} within ${points(thresholds.about)} of ${percent(target)}`,
    measured: describeAccuracy(at, classifier, 'attacked'),
    // a difference of exactly the threshold holds, whatever the rounding of the subtraction
    holds: Math.abs(attacked(at, classifier) - target) <= thresholds.about + 1e-9,
  }));
}

/** Epochs from which on there is a first quarter to look at. */
export const quarters = 4;

/** The share of the final fall of C1's accuracy that the first quarter of the epochs brought; none without a fall. */
export function early(cells: readonly Cell[], eps: number): readonly Criterion[] {
  if (cells.length === 0) return [];
  const curve = epochCurve(cells, 'c1');
  const clean = finalAccuracy(cells, 'c1', 'clean').mean;
  const fall = clean - (curve.at(-1)?.accuracy.mean ?? clean);
  if (curve.length < quarters || fall < thresholds.notable) return [];
  const quarter = curve[Math.ceil(curve.length / 4) - 1]!;
  const share = (clean - quarter.accuracy.mean) / fall;
  return [
    {
      demand: `at least ${percent(thresholds.most)} of the fall by epoch ${quarter.epoch} of ${curve.length} at ${eps}`,
      measured: percent(share),
      holds: share >= thresholds.most,
    },
  ];
}
