import type { Mode } from '../../runtime/experiment/config.ts';
import { about, attacked, early, falls, isAbout, quarters, thresholds, type Criterion } from './criteria.ts';
import { percent, points } from '../kit/format.ts';
import { cellsAt, type Cell } from './results.ts';
import { describeAccuracy } from './statistics.ts';

/** The intensities that the paper compares. */
export const paperEps: readonly number[] = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64];

/** Those that have an effect. */
const effective = paperEps.filter((eps) => eps >= 0.04);

export interface Claim {
  readonly id: string;
  /** The paper's figure that shows it. */
  readonly figure: 3 | 4 | 5 | 6;
  /** What the paper says. */
  readonly paper: string;
  /** The cells that it is about. */
  readonly about: readonly (readonly [mode: Mode, eps: number])[];
  /** Attacker epochs that a cell needs to be judged; one with fewer counts as not measured. */
  readonly epochs?: number;
  /** The parts that can be judged from the cells there are. */
  readonly judge: (cells: readonly Cell[]) => readonly Criterion[];
}

/** The claims of sections 3.2 and 3.3. */
export const claims: readonly Claim[] = [
  {
    id: 'no-effect',
    figure: 3,
    paper: 'Attackers with t = 0.01 and 0.02 have no effect on C1.',
    about: [
      ['consecutive', 0.01],
      ['consecutive', 0.02],
    ],
    judge: (cells) =>
      [0.01, 0.02].flatMap((eps) => falls(cells, 'consecutive', eps, 'c1', 'most', thresholds.noEffect)),
  },
  {
    id: 'first-effect',
    figure: 3,
    paper: 't = 0.04 takes C1 to about 80 %; C2 stays almost unchanged.',
    about: [['consecutive', 0.04]],
    judge: (cells) => [
      ...falls(cells, 'consecutive', 0.04, 'c1', 'least', thresholds.notable),
      ...isAbout(cells, 'consecutive', 0.04, 'c1', 0.8),
      ...falls(cells, 'consecutive', 0.04, 'c2', 'most', thresholds.hardly),
    ],
  },
  {
    id: 'transfer',
    figure: 3,
    paper: 't = 0.08 takes C1 to about 20 % and C2 to about 90 %: far stronger on the target.',
    about: [['consecutive', 0.08]],
    judge: (cells) => [
      ...isAbout(cells, 'consecutive', 0.08, 'c1', 0.2),
      ...isAbout(cells, 'consecutive', 0.08, 'c2', 0.9),
      ...falls(cells, 'consecutive', 0.08, 'c2', 'least', thresholds.notable),
      ...about(cells, 'consecutive', 0.08, (at) => {
        const gap = attacked(at, 'c2') - attacked(at, 'c1');
        return {
          demand: `C1 at least ${points(thresholds.farStronger)} below C2`,
          measured: `${points(gap)} below`,
          holds: gap >= thresholds.farStronger,
        };
      }),
    ],
  },
  {
    id: 'guessing',
    figure: 3,
    paper: 'With larger t, C1 is hardly better than guessing.',
    about: [
      ['consecutive', 0.16],
      ['consecutive', 0.32],
      ['consecutive', 0.64],
    ],
    judge: (cells) =>
      [0.16, 0.32, 0.64].flatMap((eps) =>
        about(cells, 'consecutive', eps, (at) => ({
          demand: `C1 at most ${percent(thresholds.guessing)} at ${eps}`,
          measured: describeAccuracy(at, 'c1', 'attacked'),
          holds: attacked(at, 'c1') <= thresholds.guessing,
        })),
      ),
  },
  {
    id: 'early-success',
    figure: 4,
    paper: "Most of the attacker's success comes in the first quarter of its epochs.",
    about: effective.map((eps) => ['consecutive', eps] as const),
    epochs: quarters,
    judge: (cells) => effective.flatMap((eps) => early(cellsAt(cells, 'consecutive', eps), eps)),
  },
  {
    id: 'alternating-protects',
    figure: 5,
    paper: 'Alternating training prevents the attack at t = 0.04; the first fall comes at 0.08.',
    about: [
      ['alternating', 0.04],
      ['alternating', 0.08],
    ],
    judge: (cells) => [
      ...falls(cells, 'alternating', 0.04, 'c1', 'most', thresholds.hardly),
      ...falls(cells, 'alternating', 0.08, 'c1', 'least', thresholds.notable),
    ],
  },
  {
    id: 'alternating-helps',
    figure: 6,
    paper: 'At t = 0.08 C1 falls in both modes, but clearly less when it is trained alternately.',
    about: [
      ['consecutive', 0.08],
      ['alternating', 0.08],
    ],
    // nothing can be said of it from one of the modes alone
    judge: (cells) =>
      about(cells, 'consecutive', 0.08, (consecutive) =>
        about(cells, 'alternating', 0.08, (alternating) => {
          const gain = attacked(alternating, 'c1') - attacked(consecutive, 'c1');
          return [
            ...falls(cells, 'consecutive', 0.08, 'c1', 'least', thresholds.notable),
            ...falls(cells, 'alternating', 0.08, 'c1', 'least', thresholds.notable),
            {
              demand: `alternating at least ${points(thresholds.clearly)} above consecutive`,
              measured: `${points(gain)} above`,
              holds: gain >= thresholds.clearly,
            },
          ];
        }),
      ).flat(2),
  },
];
