import type { InputPlan, OutputPlan, Ports } from '../../models/classifier/plans.ts';
import type { Images, ImageShape, Logits } from '../attacks/images.ts';
import { fromHalf, toEven, toHalf } from '../half.ts';
import type { FileTensor } from '../session.ts';

/** The ports of a classifier of our own: `image` float32 [batch,C,H,W] in 0..1 -> `logits` [batch,classes]. */
export function ownPorts({ channels, height, width }: ImageShape): Ports {
  const each = <T>(value: (i: number) => T): readonly T[] =>
    Array.from({ length: channels }, (_, i) => value(i));
  return {
    input: {
      name: 'image',
      element: 'float32',
      shape: [channels, height, width],
      layout: 'nchw',
      from: each((i) => i),
      scale: each(() => 1),
      shift: each(() => 0),
      batch: null,
    },
    output: { name: 'logits', form: 'logits', single: false },
  };
}

/** Images as a file takes them. */
export function fileInput(plan: InputPlan, images: Images): FileTensor {
  const { element } = plan;
  const shape = [images.shape[0], ...plan.shape];
  const values = isAsGiven(plan, images) ? images.data : arranged(plan, images);
  switch (element) {
    case 'float32':
      return { dtype: element, shape, data: values };
    case 'float64':
      return { dtype: element, shape, data: Float64Array.from(values) };
    case 'float16':
      return { dtype: element, shape, data: Uint16Array.from(values, toHalf) };
    case 'uint8':
      return {
        dtype: element,
        shape,
        data: Uint8Array.from(values, (x) => toEven(Math.min(255, Math.max(0, x)))),
      };
    case 'int32':
      return { dtype: element, shape, data: Int32Array.from(values, toEven) };
    default:
      return element satisfies never;
  }
}

/** Whether the values of the images are those of the file, in the same order. */
const isAsGiven = ({ layout, from, scale, shift }: InputPlan, { shape: [, channels] }: Images): boolean =>
  (layout === 'nchw' || channels === 1) &&
  from.length === channels &&
  from.every((channel, i) => channel === i && scale[i] === 1 && shift[i] === 0);

/** The values of a file, in its order. */
function arranged({ layout, from, scale, shift }: InputPlan, { data, shape }: Images): Float32Array {
  const [count, channels, height, width] = shape;
  const pixels = height * width;
  const own = from.length;
  const [channelStep, pixelStep] = layout === 'nchw' ? [pixels, 1] : [1, own];
  const out = new Float32Array(count * own * pixels);
  for (let image = 0; image < count; image++) {
    from.forEach((channel, c) => {
      const [factor, offset] = [scale[c]!, shift[c]!];
      const source = (image * channels + channel) * pixels;
      const target = image * own * pixels + c * channelStep;
      for (let p = 0; p < pixels; p++) out[target + p * pixelStep] = data[source + p]! * factor + offset;
    });
  }
  return out;
}

/** What stands for the logarithm of 0: that of the least normal float32. */
const leastLog = Math.log(2 ** -126);
/** What stands for 1 - p where p rounds to 1 in float32: half of what is between 1 and the number below it. */
const leastRest = 2 ** -25;

/**
 * The logits of a file's answers. Of probabilities, their logarithms: logits less what all classes of an image share. One
 * that is 0 in float32 counts as 2^-126.
 */
export function logitsFrom({ form, single }: OutputPlan, { dtype, data, shape }: FileTensor): Logits {
  const count = shape[0] ?? 1;
  const numbers =
    dtype === 'float16' && data instanceof Uint16Array ? Float32Array.from(data, fromHalf) : data;
  const isLogits = form === 'logits' && numbers instanceof Float32Array;
  const values = isLogits ? numbers : Float32Array.from(numbers as Float32Array, logitOf[form]);
  if (!single) return { data: values, shape: [count, values.length / count] };
  const two = new Float32Array(2 * count);
  values.forEach((z, i) => (two[2 * i + 1] = z));
  return { data: two, shape: [count, 2] };
}

const logOf = (p: number): number => (p === 0 ? leastLog : Math.max(leastLog, Math.log(p)));

function logOdds(p: number): number {
  return logOf(p) - Math.log(Math.max(leastRest, 1 - p));
}

const logitOf: { readonly [F in OutputPlan['form']]: (value: number) => number } = {
  logits: (z) => z,
  probabilities: logOf,
  'log-probabilities': (z) => Math.max(leastLog, z),
  sigmoid: logOdds,
  'rounded-probabilities': logOf,
  'rounded-sigmoid': logOdds,
};

/**
 * Asks for images in batches of one size, where a model takes no other: what the last batch lacks is filled up with its
 * first image, and left out of the answers.
 *
 * @param ask for the images at some places of the batch.
 */
export async function inBatches<T>(
  count: number,
  size: number | null,
  ask: (places: readonly number[]) => Promise<T>,
): Promise<readonly { readonly answer: T; readonly start: number; readonly count: number }[]> {
  const step = size ?? count;
  const parts = [];
  for (let start = 0; start < count; start += step) {
    const own = Math.min(step, count - start);
    const places = Array.from({ length: step }, (_, i) => start + (i < own ? i : 0));
    parts.push({ answer: await ask(places), start, count: own });
  }
  return parts;
}
