import * as Plot from '@observablehq/plot';
import { paperEps } from './claims.ts';
import { drawPlot } from './plot.ts';
import { colour } from './theme.ts';

/** One drawing of a figure: a file `<id>.svg`, and an element of the page. */
export interface Panel {
  /** Unique in a report: `figure-3a`. */
  readonly id: string;
  readonly title: string;
  readonly svg: string;
}

/** A line of a chart, in order of its points. */
export interface Line {
  readonly label: string;
  readonly colour: string;
  readonly symbol: Plot.SymbolType;
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly low: number;
    readonly high: number;
  }[];
}

interface Axes {
  readonly x: Plot.ScaleOptions;
  readonly y: Plot.ScaleOptions & { readonly domain: readonly [number, number] };
}

const size = { width: 400, height: 300, marginTop: 28, marginBottom: 40, marginLeft: 44 };

/** Lines with their names at their right ends, moved apart where they would lie over each other. */
export function drawLines(
  lines: readonly Line[],
  { x, y }: Axes,
  caption: { readonly id: string; readonly title: string; readonly description: string },
  more: readonly Plot.Markish[] = [],
): Panel {
  const scale = Plot.scale({
    y: { ...y, domain: [...y.domain], range: [size.height - size.marginBottom, size.marginTop] },
  });
  const ends = lines.map(({ points }) => scale.apply(points.at(-1)!.y) as number);
  const lastX = lines.map(({ points }) => points.at(-1)!.x);
  const places = ends.map((_, i) => {
    const together = ends.map((__, j) => j).filter((j) => lastX[j] === lastX[i]);
    const limits = [size.marginTop, size.height - size.marginBottom] as const;
    return spreadOut(
      together.map((j) => ends[j]!),
      14,
      limits,
    )[together.indexOf(i)]!;
  });
  const longest = Math.max(...lines.map(({ label }) => label.length));
  const marks = lines.flatMap(({ points, colour: stroke, symbol, label }, i) => [
    ...(points.some(({ low, high }) => high > low)
      ? [Plot.areaY(points, { x: 'x', y1: 'low', y2: 'high', fill: stroke, fillOpacity: 0.15 })]
      : []),
    Plot.lineY(points, { x: 'x', y: 'y', stroke, strokeWidth: 2 }),
    Plot.dot(points, { x: 'x', y: 'y', stroke, fill: colour('surface'), symbol, r: 3.5, strokeWidth: 1.5 }),
    // a seam of the background first, for where a name lies over another line
    ...[{ fill: colour('surface'), stroke: colour('surface'), strokeWidth: 4 }, { fill: stroke }].map((ink) =>
      Plot.text(points.slice(-1), {
        x: 'x',
        y: 'y',
        text: () => label,
        dx: 9,
        dy: places[i]! - ends[i]!,
        textAnchor: 'start',
        fontWeight: 'bold',
        ...ink,
      }),
    ),
  ]);
  const options = {
    ...size,
    marginRight: 14 + 8 * longest,
    x,
    y: { grid: true, ...y, domain: [...y.domain] },
    marks: [...more, ...marks],
  };
  return { id: caption.id, title: caption.title, svg: drawPlot(options as Plot.PlotOptions, caption) };
}

/** Positions as near as possible to the wished ones, in their order, at least `gap` apart, and within the limits. */
export function spreadOut(
  wished: readonly number[],
  gap: number,
  [low, high]: readonly [number, number],
): readonly number[] {
  const order = wished.map((_, i) => i).sort((a, b) => wished[a]! - wished[b]! || a - b);
  const placed = [...wished];
  order.forEach((i, n) => {
    const floor = n === 0 ? low : placed[order[n - 1]!]! + gap;
    placed[i] = Math.max(wished[i]!, floor);
  });
  order.toReversed().forEach((i, n, reversed) => {
    const ceiling = n === 0 ? high : placed[reversed[n - 1]!]! - gap;
    placed[i] = Math.min(placed[i]!, ceiling);
  });
  return placed;
}

const symbols: readonly Plot.SymbolType[] = [
  'circle',
  'square',
  'triangle',
  'diamond',
  'star',
  'times',
  'wye',
];

/** A step of the scale of intensities: each of the paper's seven has its own colour and symbol. */
export function epsStyle(eps: number): Pick<Line, 'colour' | 'symbol'> {
  const step = Math.min(6, Math.max(0, Math.round(Math.log2(eps / paperEps[0]!))));
  return { colour: colour(`eps${step}`), symbol: symbols[step]! };
}
