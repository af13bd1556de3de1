import * as Plot from '@observablehq/plot';
import { paperEps } from './claims.ts';
import type { Figure } from './figures.ts';
import { list, percent } from '../kit/format.ts';
import { asChange, asSeen, drawPixels, type Shade } from '../kit/pixels.ts';
import { drawPlot } from '../kit/plot.ts';
import { colour } from '../kit/theme.ts';

/** One image under one attacker: 28x28 values each, row by row. */
export interface Perturbed {
  /** Its true class. */
  readonly label: number;
  readonly image: Float32Array;
  /** Within [-eps, eps]. */
  readonly perturbation: Float32Array;
  readonly attacked: Float32Array;
  /** The class that C1 takes the attacked image for. */
  readonly says: number;
}

/** The same images under the attackers of several intensities, ascending. */
export interface Intensity {
  readonly eps: number;
  readonly digits: readonly Perturbed[];
}

const rows = ['original', 'perturbation', 'attack', 'C1 says'] as const;
const tile = 44;

/**
 * Figure 2: originals, perturbations and attacks of some digits, a column an intensity.
 *
 * @param intensities none when the models are not there: the figure then says so.
 * @param missing why intensities are missing, where they are.
 */
export function perturbationFigure(
  id: string,
  intensities: readonly Intensity[],
  missing: readonly string[],
): Figure {
  const columns = [...new Set(intensities.map(({ eps }) => eps))].sort((a, b) => a - b);
  return {
    id,
    number: 2,
    title: 'Perturbations and attacks for two digits',
    paper:
      'The perturbation becomes slightly visible at t = 0.04 and clearly visible at 0.16. Those of low intensities look structurally different from those of high ones, and they depend on the digit. (The paper scales perturbations to 0..1 for view; here blue is -eps, white 0 and red +eps.)',
    measured: describe(intensities),
    missing: [...missing, ...notThere(intensities)],
    coverage: paperEps.filter((eps) => columns.includes(eps)).length / paperEps.length,
    hasCourse: columns.length > 1,
    panels:
      intensities.length === 0
        ? []
        : [
            {
              id: `${id}a`,
              title:
                'Columns: eps. Rows: two digits, what the attacker adds to them, and the sum as C1 sees it.',
              svg: draw(`${id}a`, intensities, columns),
            },
          ],
    data: {
      head: ['eps', 'digit', 'C1 says', 'mean |perturbation| / eps', 'at the bound', 'largest change'],
      rows: intensities.flatMap(({ eps, digits }) =>
        digits.map(({ label, says, perturbation }) => [
          String(eps),
          String(label),
          String(says),
          (mean(perturbation.map(Math.abs)) / eps).toFixed(2),
          percent(saturated(perturbation, eps)),
          Math.max(...perturbation.map(Math.abs)).toFixed(4),
        ]),
      ),
    },
  };
}

function notThere(intensities: readonly Intensity[]): readonly string[] {
  if (intensities.length === 0) return [];
  const missing = paperEps.filter((eps) => intensities.every((each) => each.eps !== eps));
  return missing.length === 0 ? [] : [`eps ${list(missing)}`];
}

/** What can be said in numbers of how perturbations look, and of how much they depend on the digit. */
function describe(intensities: readonly Intensity[]): readonly string[] {
  if (intensities.length === 0) return [];
  const at = (of: (intensity: Intensity) => string): string =>
    list(intensities.map((each) => `${of(each)} at ${each.eps}`));
  const bound = at(({ eps, digits }) =>
    percent(mean(digits.map(({ perturbation }) => saturated(perturbation, eps)))),
  );
  const alike = at(({ digits: [first, second] }) =>
    first && second ? cosine(first.perturbation, second.perturbation).toFixed(2) : 'one digit alone',
  );
  return [
    `Pixels that change by nine tenths of eps or more: ${bound}.`,
    `Cosine between the two digits' perturbations (1: the same, 0: nothing in common): ${alike}.`,
  ];
}

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

const saturated = (perturbation: Float32Array, eps: number): number =>
  perturbation.filter((value) => Math.abs(value) >= 0.9 * eps).length / perturbation.length;

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (p: Float32Array, q: Float32Array): number =>
    p.reduce((sum, value, i) => sum + value * q[i]!, 0);
  return dot(a, b) / (Math.sqrt(dot(a, a) * dot(b, b)) || 1);
}

function draw(id: string, intensities: readonly Intensity[], columns: readonly number[]): string {
  const digits = intensities[0]!.digits.map(({ label }) => label);
  const key = (digit: number, row: string): string => `${digit} ${row}`;
  const cells = intensities.flatMap(({ eps, digits: perturbed }) =>
    perturbed.flatMap(({ image, perturbation, attacked }, digit) => [
      { eps, row: key(digit, 'original'), src: dataUrl(image, asSeen) },
      { eps, row: key(digit, 'perturbation'), src: dataUrl(perturbation, asChange(eps)) },
      { eps, row: key(digit, 'attack'), src: dataUrl(attacked, asSeen) },
    ]),
  );
  const answers = intensities.flatMap(({ eps, digits: perturbed }) =>
    perturbed.map(({ says, label }, digit) => ({
      eps,
      row: key(digit, 'C1 says'),
      says,
      right: says === label,
    })),
  );
  const domain = digits.flatMap((_, digit) => rows.map((row) => key(digit, row)));
  const margin = { marginTop: 40, marginLeft: 92, marginRight: 4, marginBottom: 0 };
  return drawPlot(
    {
      ...margin,
      width: margin.marginLeft + margin.marginRight + (tile + 3) * columns.length,
      height: margin.marginTop + (tile + 3) * domain.length - 20,
      x: { type: 'band', domain: columns, axis: 'top', label: 'eps', tickSize: 0, padding: 0 },
      y: {
        type: 'band',
        domain,
        label: null,
        tickSize: 0,
        padding: 0,
        tickFormat: (row: string) => row.slice(row.indexOf(' ') + 1),
      },
      marks: [
        Plot.image(cells, { x: 'eps', y: 'row', src: 'src', width: tile, height: tile }),
        ...[true, false].map((right) =>
          Plot.text(
            answers.filter((answer) => answer.right === right),
            {
              x: 'eps',
              y: 'row',
              text: ({ says }: { says: number }) => `${right ? '' : '✗ '}${says}`,
              fill: right ? 'currentColor' : colour('orange'),
              fontWeight: right ? 'normal' : 'bold',
            },
          ),
        ),
      ],
    },
    {
      id,
      title: 'Originals, perturbations and attacks for two digits',
      description: intensities
        .map(
          ({ eps, digits: perturbed }) =>
            `eps ${eps}: ${list(perturbed.map(({ label, says }) => `C1 takes the ${label} for a ${says}`))}`,
        )
        .join('; '),
    },
  );
}

const dataUrl = (values: Float32Array, shade: Shade): string =>
  drawPixels(values, { channels: 1, height: 28, width: 28 }, shade, 4).toDataURL('image/png');
