import type * as Plot from '@observablehq/plot';
import { hasTransfer, type Mode } from '../../runtime/experiment/config.ts';
import { drawLines, epsStyle, type Line, type Panel } from '../kit/chart.ts';
import { paperEps } from './claims.ts';
import { chance } from './criteria.ts';
import type { DataTable } from '../kit/data-table.ts';
import { list, loss, percent } from '../kit/format.ts';
import { cellsAt, type Cell, type ClassifierName, type ThreatModel } from './results.ts';
import { epochCurve, finalAccuracy, type EpochPoint } from './statistics.ts';
import { colour } from '../kit/theme.ts';

/** A figure of the report, numbered as in the paper. */
export interface Figure {
  readonly id: string;
  /** Its number in the paper. */
  readonly number: 2 | 3 | 4 | 5 | 6;
  readonly title: string;
  /** What the paper shows there, and says of it. */
  readonly paper: string;
  /** What was measured here, in sentences made of the numbers. */
  readonly measured: readonly string[];
  /** What the paper's figure has and this run does not. */
  readonly missing: readonly string[];
  /** The part of the paper's cells that was measured, 0 to 1. */
  readonly coverage: number;
  /** Whether the panels say something without the paper: accuracy over several epochs, pictures of several eps. */
  readonly hasCourse: boolean;
  readonly panels: readonly Panel[];
  readonly data: DataTable;
}

/** Epochs as an axis: whole numbers, five ticks at most. */
function epochAxis(last: number): Plot.ScaleOptions & { readonly domain: readonly [number, number] } {
  const step = Math.max(1, Math.ceil(last / 4));
  const ticks = Array.from({ length: last }, (_, i) => i + 1).filter(
    (epoch) => epoch === 1 || epoch % step === 0,
  );
  // a single epoch stands in the middle
  const domain: readonly [number, number] = last === 1 ? [0.5, 1.5] : [1, last];
  return { label: 'epoch of the attacker', ticks, tickFormat: 'd', domain };
}

const accuracyAxis = { label: 'accuracy under attack (%)', domain: [0, 100] as const, ticks: 5 };

const guessing = { label: 'guessing', y: 100 * chance };

const accuracyPoint = ({ epoch, accuracy }: EpochPoint) => ({
  x: epoch,
  y: 100 * accuracy.mean,
  low: 100 * accuracy.low,
  high: 100 * accuracy.high,
});
const lossPoint = ({ epoch, loss: { mean, low, high } }: EpochPoint) => ({ x: epoch, y: mean, low, high });

const epsOf = (cells: readonly Cell[]): readonly number[] => [...new Set(cells.map(({ eps }) => eps))];
const lastEpoch = (lines: readonly Line[]): number =>
  Math.max(...lines.flatMap(({ points }) => points.map(({ x }) => x)));

/** The classifiers as the paper's subfigures have them. */
const classifiers: readonly (readonly [name: ClassifierName, letter: string, title: string])[] = [
  ['c1', 'a', 'C1, which the attacker is trained on'],
  ['c2', 'b', 'C2, which it never sees'],
];

/** Attacked accuracy or loss over the attacker's epochs, a line an eps, a panel a classifier: figures 3, 4 and 5. */
function epochFigure(
  { cells }: ThreatModel,
  mode: Mode,
  what: 'accuracy' | 'loss',
  { id, ...text }: Pick<Figure, 'id' | 'number' | 'title' | 'paper'>,
): Figure {
  const own = cells.filter((cell) => cell.mode === mode);
  const eps = epsOf(own);
  const curves = eps.map((each) => ({ eps: each, cells: cellsAt(own, mode, each) }));
  const judged = classifiers.filter(
    ([name]) => name === 'c1' || own.some(({ config }) => hasTransfer(config)),
  );
  const panels =
    eps.length === 0
      ? []
      : judged.map(([classifier, letter, title]): Panel => {
          const lines = curves.map(({ eps: each, cells: at }) => ({
            label: String(each),
            ...epsStyle(each),
            points: epochCurve(at, classifier).map(what === 'accuracy' ? accuracyPoint : lossPoint),
          }));
          const values = lines.flatMap(({ points }) => points.flatMap(({ low, high }) => [low, high]));
          const y =
            what === 'accuracy'
              ? accuracyAxis
              : {
                  label: 'loss under attack (nats, log scale)',
                  type: 'log' as const,
                  tickFormat: String,
                  ticks: roundNumbers(around(values)),
                  domain: around(values),
                };
          const description = lines
            .map(
              ({ label, points }) =>
                `eps ${label}: ${shown(what, points[0]!.y)} at epoch 1, ${shown(what, points.at(-1)!.y)} at epoch ${points.at(-1)!.x}`,
            )
            .join('; ');
          return drawLines(
            lines,
            { x: epochAxis(lastEpoch(lines)), y },
            { id: `${id}${letter}`, title, description: `${description}.` },
            what === 'accuracy' ? guessing : null,
          );
        });
  const column = (value: EpochPoint | undefined): string =>
    value === undefined ? '' : what === 'accuracy' ? percent(value.accuracy.mean) : loss(value.loss.mean);
  const series = judged.flatMap(([classifier]) =>
    curves.map(({ eps: each, cells: at }) => ({
      head: `${classifier.toUpperCase()}, ${each}`,
      points: epochCurve(at, classifier),
    })),
  );
  const rows = Math.max(0, ...series.map(({ points }) => points.length));
  return {
    id,
    ...text,
    measured:
      eps.length === 0
        ? []
        : judged.map(([classifier]) => {
            const values = curves.map(({ eps: each, cells: at }) => {
              const last = epochCurve(at, classifier).at(-1)!;
              return `${what === 'accuracy' ? percent(last.accuracy.mean) : loss(last.loss.mean)} at ${each}`;
            });
            return `${classifier.toUpperCase()} after the last epoch: ${list(values)}.`;
          }),
    missing: missingEps(eps, mode),
    coverage: paperEps.filter((each) => eps.includes(each)).length / paperEps.length,
    hasCourse: what === 'accuracy' && series.some(({ points }) => points.length > 1),
    panels,
    data: {
      head: ['epoch', ...series.map(({ head }) => head)],
      rows: Array.from({ length: rows }, (_, i) => [
        String(i + 1),
        ...series.map(({ points }) => column(points[i])),
      ]),
    },
  };
}

const shown = (what: 'accuracy' | 'loss', value: number): string =>
  what === 'accuracy' ? percent(value / 100) : loss(value);

/** A logarithmic axis from a power of ten to a power of ten around positive values. */
function around(values: readonly number[]): readonly [number, number] {
  const positive = values.filter((value) => value > 0);
  const low = 10 ** Math.floor(Math.log10(Math.min(...positive)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...positive)));
  return [low, high > low ? high : 10 * low];
}

/** Where a logarithmic axis has its ticks: at powers of ten, and at 2 and 5 times these where there are few. */
function roundNumbers([low, high]: readonly [number, number]): readonly number[] {
  const decades = Math.round(Math.log10(high / low));
  return Array.from({ length: decades + 1 }, (_, i) => low * 10 ** i).flatMap((power) =>
    (decades > 2 ? [1] : [1, 2, 5])
      .map((factor) => Number((factor * power).toPrecision(1)))
      .filter((tick) => tick <= high),
  );
}

function missingEps(there: readonly number[], mode: Mode): readonly string[] {
  const missing = paperEps.filter((eps) => !there.includes(eps));
  return missing.length === 0 ? [] : [`${mode}, eps ${list(missing)}`];
}

/** Figure 6: both modes in one panel, a panel for 0.04 and one for 0.08. */
function modesFigure({ cells }: ThreatModel, id: string): Figure {
  const modes = [
    ['alternating', colour('blue'), 'circle'],
    ['consecutive', colour('orange'), 'square'],
  ] as const;
  const eps = [0.04, 0.08] as const;
  const found = eps.map((each) => ({
    eps: each,
    modes: modes.flatMap(([mode, stroke, symbol]) => {
      const at = cellsAt(cells, mode, each);
      return at.length === 0 ? [] : [{ mode, at, line: { label: mode, colour: stroke, symbol } }];
    }),
  }));
  return {
    id,
    number: 6,
    title: 'C1 under consecutive and under alternating training',
    paper:
      'At t = 0.04 alternating training keeps the attacked accuracy from falling. At t = 0.08 it falls in both modes, significantly more in consecutive training.',
    measured: found.flatMap(({ eps: each, modes: there }) =>
      there.length === 0
        ? []
        : [
            `At ${each}: ${list(there.map(({ mode, at }) => `${percent(finalAccuracy(at, 'c1', 'attacked').mean)} left after ${mode} training`))}.`,
          ],
    ),
    coverage: found.reduce((sum, { modes: there }) => sum + there.length, 0) / (modes.length * eps.length),
    hasCourse: false, // figures 3 and 5 have the same lines
    missing: found.flatMap(({ eps: each, modes: there }) =>
      modes
        .filter(([mode]) => there.every((one) => one.mode !== mode))
        .map(([mode]) => `${mode}, eps ${each}`),
    ),
    panels: found.flatMap(({ eps: each, modes: there }, i) => {
      if (there.length === 0) return [];
      const lines = there.map(({ at, line }) => ({
        ...line,
        points: epochCurve(at, 'c1').map(accuracyPoint),
      }));
      const description = there
        .map(
          ({ mode, at }) =>
            `${mode}: ${percent(finalAccuracy(at, 'c1', 'attacked').mean)} after the last epoch`,
        )
        .join('; ');
      const caption = { id: `${id}${'ab'[i]}`, title: `C1 at eps ${each}`, description: `${description}.` };
      return [drawLines(lines, { x: epochAxis(lastEpoch(lines)), y: accuracyAxis }, caption, guessing)];
    }),
    data: modesData(found),
  };
}

function modesData(
  found: readonly {
    readonly eps: number;
    readonly modes: readonly { readonly mode: Mode; readonly at: readonly Cell[] }[];
  }[],
): DataTable {
  const series = found.flatMap(({ eps, modes }) =>
    modes.map(({ mode, at }) => ({ head: `${mode}, ${eps}`, points: epochCurve(at, 'c1') })),
  );
  const rows = Math.max(0, ...series.map(({ points }) => points.length));
  return {
    head: ['epoch', ...series.map(({ head }) => head)],
    rows: Array.from({ length: rows }, (_, i) => [
      String(i + 1),
      ...series.map(({ points }) => (points[i] ? percent(points[i].accuracy.mean) : '')),
    ]),
  };
}

/**
 * The paper's figures 3 to 6 for one threat model.
 *
 * @param suffix tells the figures of several threat models in one page apart; '' for the first.
 */
export const paperFigures = (threat: ThreatModel, suffix: string): readonly Figure[] => [
  epochFigure(threat, 'consecutive', 'accuracy', {
    id: `figure-3${suffix}`,
    number: 3,
    title: 'Accuracy under attack, consecutive training',
    paper:
      'No effect at t = 0.01 and 0.02. At 0.04, C1 ends at about 80 % while C2 stays almost unchanged; at 0.08, C1 ends at about 20 %, C2 at about 90 %. With larger t, C1 is hardly better than guessing.',
  }),
  epochFigure(threat, 'consecutive', 'loss', {
    id: `figure-4${suffix}`,
    number: 4,
    title: 'Loss under attack, consecutive training',
    paper:
      'The loss of C1 grows substantially more than that of C2. Most of the success comes in a few epochs at the beginning; in the last 75 % of the training the attacker hardly improves.',
  }),
  epochFigure(threat, 'alternating', 'accuracy', {
    id: `figure-5${suffix}`,
    number: 5,
    title: 'Accuracy under attack, alternating training',
    paper:
      'The first significant decrease comes at t = 0.08, not at 0.04 as before. From 0.08 on the attacker degrades the attacked accuracy of C1.',
  }),
  modesFigure(threat, `figure-6${suffix}`),
];
