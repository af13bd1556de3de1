import { PNG } from 'pngjs';
import type { Pictures } from './demo-data.ts';

/** The size that pages ask for pictures of shared links. */
const [width, height] = [1200, 630];
const gap = 45;
type Rgb = readonly [red: number, green: number, blue: number];
const paper: Rgb = [250, 248, 244];
const [negative, zero, positive]: readonly [Rgb, Rgb, Rgb] = [
  [33, 102, 172],
  [255, 255, 255],
  [178, 24, 43],
];

/** The picture of a shared link: the original, what was added, and the sum, side by side. A PNG. */
export function drawPreview({
  width: columns,
  height: rows,
  eps,
  original,
  change,
  attacked,
}: Pictures): Buffer {
  const png = new PNG({ width, height });
  const fill = (left: number, top: number, wide: number, tall: number, [r, g, b]: Rgb): void => {
    for (let y = top; y < top + tall; y++) {
      for (let x = left; x < left + wide; x++) png.data.set([r, g, b, 255], 4 * (y * width + x));
    }
  };
  fill(0, 0, width, height, paper);
  const scale = Math.floor((width - 4 * gap) / 3 / Math.max(columns, rows));
  const tiles: readonly (readonly [Float32Array, (value: number) => Rgb])[] = [
    [original, grey],
    [change, (value) => signed(value / eps)],
    [attacked, grey],
  ];
  const rest = width - 3 * scale * columns;
  for (const [i, [values, colour]] of tiles.entries()) {
    const left = Math.round((rest * (i + 1)) / 4) + i * scale * columns;
    const top = Math.round((height - scale * rows) / 2);
    fill(left - 1, top - 1, scale * columns + 2, scale * rows + 2, [170, 164, 152]);
    values.forEach((value, at) =>
      fill(
        left + scale * (at % columns),
        top + scale * Math.floor(at / columns),
        scale,
        scale,
        colour(value),
      ),
    );
  }
  return PNG.sync.write(png);
}

function grey(value: number): Rgb {
  const level = Math.round(255 * Math.min(1, Math.max(0, value)));
  return [level, level, level];
}

function signed(value: number): Rgb {
  const end = value < 0 ? negative : positive;
  const weight = Math.min(1, Math.abs(value));
  return zero.map((from, i) => Math.round(from + weight * (end[i]! - from))) as unknown as Rgb;
}
