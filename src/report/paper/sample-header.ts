import type { ImageShape } from '../../runtime/attacks/images.ts';
import { percent } from '../kit/format.ts';
import type { SampleHeader } from '../kit/pictures.ts';

/** What `samples.png` says about the attack on C1. */
export interface SampledRun {
  /** The largest absolute change of a pixel (L∞), in units of the 0..1 pixel range; above 0. */
  readonly eps: number;
  /** How attacker and classifier were trained, for example `consecutive`. */
  readonly mode: string;
  /** How the attacker is kept within eps, for example `tanh`. */
  readonly bound: string;
  /** Whether attacked images are clipped to [0, 1]. */
  readonly clip: boolean;
  /** The seed of the run. */
  readonly seed: number;
  /** Accuracy of C1 on clean test images, 0 to 1. */
  readonly before: number;
  /** Accuracy of C1 on attacked test images, 0 to 1. */
  readonly after: number;
  /** How many test images the accuracies were measured on. */
  readonly images: number;
  /** Name of the data set. */
  readonly data: string;
  /** The size of the images. */
  readonly shape: ImageShape;
}

/** Title, footnote and scale of `samples.png`, the picture of a cell. */
export function sampleHeader(run: SampledRun): SampleHeader {
  const { eps, mode, bound, clip, seed, before, after, images, data, shape } = run;
  const range = clip ? 'clipped to [0, 1]' : 'unclipped';
  const shown = 'Red predictions are wrong.';
  const clamped = 'Attacked pixels outside [0, 1] are clamped for view; C1 saw them as they are.';
  return {
    title: `Attacker vs C1 · L∞ eps ${Number(eps.toPrecision(4))} · ${range} · ${bound} bound`,
    subtitle: `C1 accuracy ${percent(before)} → ${percent(after)} on ${images.toLocaleString('en')} test images of ${data}`,
    footnote: [clip ? shown : `${shown} ${clamped}`, `${mode} training · seed ${seed}`],
    rows: { label: 'true class', answer: 'C1 says' },
    scale: { end: eps, name: 'eps' },
    shape,
  };
}
