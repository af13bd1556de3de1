import type { AdoptOptions, Scale } from '../models/classifier/options.ts';
import type { InputPlan, Ports } from '../models/classifier/plans.ts';
import { preprocessing } from '../models/classifier/preprocess.ts';
import { scoresOf, type Images } from '../runtime/attacks/index.ts';
import { fileInput, inBatches, logitsFrom } from '../runtime/audit/conversion.ts';
import type { Model } from '../runtime/session.ts';

/** A way to prepare images for a file, as the options that choose it. */
export interface Candidate {
  readonly options: Pick<AdoptOptions, 'scale' | 'mean' | 'std' | 'channels' | 'layout'>;
  readonly plan: InputPlan;
}

/** The usual ways to scale pixels. */
const usual: readonly {
  readonly scale: Scale;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}[] = [
  { scale: '0..1' },
  { scale: '0..255' },
  { scale: '-1..1' },
  { scale: '0..1', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  { scale: '0..255', mean: [123.68, 116.779, 103.939] },
];
/** Of grey images: those of MNIST and Fashion-MNIST. */
const usualGrey: typeof usual = [
  ...usual.slice(0, 3),
  { scale: '0..1', mean: [0.1307], std: [0.3081] },
  { scale: '0..1', mean: [0.286], std: [0.353] },
];

/**
 * The usual ways to prepare images for a file's input: scales, the order of colours, and of flat colour images the order of
 * axes.
 */
export function candidates(plan: InputPlan): readonly Candidate[] {
  const channels = plan.from.length;
  const isColour = channels === 3 && new Set(plan.from).size === 3;
  const orders = isColour ? (['rgb', 'bgr'] as const) : [null];
  const isFlat = plan.shape.filter((size) => size !== 1).length === 1;
  const layouts = isFlat && isColour ? (['nchw', 'nhwc'] as const) : [null];
  return (isColour ? usual : usualGrey).flatMap((scaling) =>
    orders.flatMap((order) =>
      layouts.map((layout) => {
        const { scale, shift } = preprocessing(
          { options: scaling, opening: null, beside: null },
          { element: plan.element, channels },
        );
        const { mean, std } = scaling;
        // what is taken from a colour stays with the colour
        const swap = <T>(list: readonly T[]): readonly T[] => (order === 'bgr' ? list.toReversed() : list);
        return {
          options: {
            scale: scaling.scale,
            ...(mean && { mean: swap(mean) }),
            ...(std && { std: swap(std) }),
            ...(order && { channels: order }),
            ...(layout && { layout }),
          },
          plan: {
            ...plan,
            scale: swap(scale),
            shift: swap(shift),
            ...(order && { from: order === 'bgr' ? [2, 1, 0] : [0, 1, 2] }),
            ...(layout && { layout }),
          },
        };
      }),
    ),
  );
}

/** The part of labelled images that a file classifies right when they are prepared in one way. */
export async function accuracyOf(
  model: Model,
  ports: Ports,
  images: Images,
  labels: Int32Array,
): Promise<number> {
  const { input, output } = ports;
  const [count, channels, height, width] = images.shape;
  const size = channels * height * width;
  const parts = await inBatches(count, input.batch ?? Math.min(count, 50), async (places) => {
    const data = new Float32Array(places.length * size);
    places.forEach((from, to) => data.set(images.data.subarray(from * size, (from + 1) * size), to * size));
    const fed = fileInput(input, { data, shape: [places.length, channels, height, width] });
    const logits = logitsFrom(output, (await model.run({ [input.name]: fed }))[output.name]!);
    return [
      ...scoresOf(
        logits,
        Int32Array.from(places, (place) => labels[place]!),
      ),
    ];
  });
  const right = parts.flatMap(({ answer, count: own }) =>
    answer.slice(0, own).filter((score) => score.right),
  );
  return right.length / count;
}
