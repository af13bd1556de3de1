/**
 * How the learning rate changes over a training:
 * - `one-cycle`: up from 0 over the first 30 %, then down to 0 (Smith 2018);
 * - `piecewise`: a tenth after one half, a hundredth after three quarters (Madry et al. 2018);
 * - `constant`.
 */
export const schedules = ['one-cycle', 'piecewise', 'constant'] as const;
export type Schedule = (typeof schedules)[number];

/** The part of a training in which `one-cycle` rises. */
const rising = 0.3;

/** What part of its peak the learning rate is, at some part of the training, 0 to 1. */
export function rateAt(schedule: Schedule, done: number): number {
  switch (schedule) {
    case 'one-cycle':
      return done < rising ? done / rising : (1 - done) / (1 - rising);
    case 'piecewise':
      return done < 0.5 ? 1 : done < 0.75 ? 0.1 : 0.01;
    case 'constant':
      return 1;
    default:
      return schedule satisfies never;
  }
}
