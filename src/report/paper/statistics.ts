import { wilson, type Interval } from '../../runtime/audit/wilson.ts';
import { attackedEpochs, testImages, type Cell, type ClassifierName } from './results.ts';
import { percent } from '../kit/format.ts';

/** The smallest, mean and largest of some numbers. */
export interface Spread {
  readonly low: number;
  readonly mean: number;
  readonly high: number;
}

/** Throws RangeError for none. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values');
  return {
    low: Math.min(...values),
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    high: Math.max(...values),
  };
}

/** A view of the test set: as it is, under noise, under the attacker. */
export type View = 'clean' | 'noise' | 'attacked';

/** The final accuracies of some cells that differ in their seed alone. */
export const finalAccuracy = (cells: readonly Cell[], classifier: ClassifierName, view: View): Spread =>
  spread(cells.map(({ final }) => final[classifier][view]!.accuracy));

/**
 * A final accuracy in words: with its confidence interval for one seed, with the range for several.
 * `78.3 % (95 % interval 77.5 to 79.1)`, `78.1 % (3 seeds, 75.0 to 80.2)`.
 */
export function describeAccuracy(cells: readonly Cell[], classifier: ClassifierName, view: View): string {
  const { low, mean, high } = finalAccuracy(cells, classifier, view);
  const range = (ends: Interval): string =>
    `${(100 * ends.low).toFixed(1)} to ${(100 * ends.high).toFixed(1)}`;
  if (cells.length > 1) return `${percent(mean)} (${cells.length} seeds, ${range({ low, high })})`;
  const n = testImages(cells[0]!);
  return n === null ? percent(mean) : `${percent(mean)} (95 % interval ${range(wilson(mean * n, n))})`;
}

/** What an attacker left, epoch by epoch, over the seeds of one mode and eps; as far as all of them went. */
export interface EpochPoint {
  readonly epoch: number;
  readonly accuracy: Spread;
  readonly loss: Spread;
}

/** The curve of one mode and eps. */
export function epochCurve(cells: readonly Cell[], classifier: ClassifierName): readonly EpochPoint[] {
  const curves = cells.map(attackedEpochs);
  const shortest = Math.min(...curves.map(({ length }) => length));
  return Array.from({ length: shortest }, (_, i) => {
    const scores = curves.map((curve) => curve[i]![classifier]);
    return {
      epoch: curves[0]![i]!.epoch,
      accuracy: spread(scores.map((score) => score.accuracy)),
      loss: spread(scores.map((score) => score.loss)),
    };
  });
}
