import * as Plot from '@observablehq/plot';
import { drawPlot, fontSize } from './plot.ts';
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
  readonly x: Plot.ScaleOptions & { readonly domain: readonly [number, number] };
  readonly y: Plot.ScaleOptions & { readonly domain: readonly [number, number] };
  /** Pixels below the plot, for the x axis; 44 when absent. */
  readonly marginBottom?: number;
}

const size = { width: 480, height: 320, marginTop: 28, marginBottom: 44, marginLeft: 48 };
/** Pixels of a letter of a label, and of the room between plot and label. */
const letter = 0.65 * fontSize;
const gap = 10;
/** Pixels between the y axis and the first points, whose symbols would hide its ticks. */
const inset = 10;

/** Pixels from the left to the right end of the x axis of a chart with labels of at most so many letters. */
export const plotWidth = (longest: number): number =>
  size.width - size.marginLeft - inset - Math.ceil(gap + 6 + letter * longest);

/**
 * Lines with their names at the right of the plot, where no line can cross them. A name is as high as the end of its
 * line, or moved apart from the next; a line that ends before the right edge is led to its name by dots.
 *
 * @param reference a horizontal line that is no measurement, such as that of guessing.
 */
export function drawLines(
  lines: readonly Line[],
  { x, y, marginBottom = size.marginBottom }: Axes,
  caption: { readonly id: string; readonly title: string; readonly description: string },
  reference: { readonly label: string; readonly y: number } | null = null,
): Panel {
  const [top, bottom] = [size.marginTop, size.height - marginBottom];
  const scale = Plot.scale({ y: { ...y, domain: [...y.domain], range: [bottom, top] } });
  const right = x.domain[1];
  const names = [
    ...lines.map(({ label, colour: fill, points }) => ({ label, fill, from: points.at(-1)! })),
    ...(reference
      ? [{ label: reference.label, fill: colour('muted'), from: { x: right, y: reference.y } }]
      : []),
  ];
  const places = spreadOut(
    names.map(({ from }) => scale.apply(from.y) as number),
    fontSize + 3,
    [top, bottom],
  );
  const ends = places.map((place) => scale.invert!(place) as number);
  const longest = Math.max(...names.map(({ label }) => label.length));
  const marks = [
    ...(reference
      ? [Plot.ruleY([reference.y], { stroke: colour('muted'), strokeDasharray: '4,3', strokeWidth: 1.25 })]
      : []),
    ...names.flatMap(({ from, fill }, i) =>
      from.x === right
        ? []
        : [
            Plot.link([from], {
              x1: from.x,
              y1: from.y,
              x2: right,
              y2: ends[i]!,
              stroke: fill,
              strokeWidth: 1.25,
              strokeDasharray: '1,4',
              strokeLinecap: 'round',
            }),
          ],
    ),
    ...lines.flatMap(({ points, colour: stroke, symbol }) => [
      ...(points.some(({ low, high }) => high > low)
        ? [Plot.areaY(points, { x: 'x', y1: 'low', y2: 'high', fill: stroke, fillOpacity: 0.15 })]
        : []),
      Plot.lineY(points, { x: 'x', y: 'y', stroke, strokeWidth: 2 }),
      Plot.dot(points, { x: 'x', y: 'y', stroke, fill: colour('surface'), symbol, r: 3.5, strokeWidth: 1.5 }),
    ]),
    ...names.map(({ label, fill }, i) =>
      Plot.text([label], {
        x: right,
        y: ends[i]!,
        dx: gap,
        textAnchor: 'start',
        fill,
        fontWeight: i < lines.length ? 'bold' : 'normal',
      }),
    ),
  ];
  const options = {
    ...size,
    marginBottom,
    marginRight: size.width - size.marginLeft - inset - plotWidth(longest),
    x: { ...x, insetLeft: inset, domain: [...x.domain] },
    y: { grid: true, ...y, domain: [...y.domain] },
    marks,
  };
  return { id: caption.id, title: caption.title, svg: drawPlot(options as Plot.PlotOptions, caption) };
}

/** Positions as near as possible to the wished ones, in their order, at least `least` apart, and within the limits. */
export function spreadOut(
  wished: readonly number[],
  least: number,
  [low, high]: readonly [number, number],
): readonly number[] {
  const order = wished.map((_, i) => i).sort((a, b) => wished[a]! - wished[b]! || a - b);
  const placed = [...wished];
  order.forEach((i, n) => {
    const floor = n === 0 ? low : placed[order[n - 1]!]! + least;
    placed[i] = Math.max(wished[i]!, floor);
  });
  order.toReversed().forEach((i, n, reversed) => {
    const ceiling = n === 0 ? high : placed[reversed[n - 1]!]! - least;
    placed[i] = Math.min(placed[i]!, ceiling);
  });
  return placed;
}

/**
 * The values to name on an axis: all that have room, the important ones first, then the smallest and the largest.
 *
 * @param place where a value is on the axis, in pixels.
 * @param least pixels between two names.
 */
export function ticksWithRoom(
  values: readonly number[],
  important: readonly number[],
  place: (value: number) => number,
  least: number,
): readonly number[] {
  const sorted = [...new Set(values)].toSorted((a, b) => a - b);
  const ranked = [...important, sorted[0]!, sorted.at(-1)!, ...sorted];
  const chosen: number[] = [];
  for (const value of ranked) {
    if (sorted.includes(value) && chosen.every((other) => Math.abs(place(other) - place(value)) >= least)) {
      chosen.push(value);
    }
  }
  return chosen.toSorted((a, b) => a - b);
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
  const step = Math.min(6, Math.max(0, Math.round(Math.log2(eps / 0.01))));
  return { colour: colour(`eps${step}`), symbol: symbols[step]! };
}
