import type { ImageShape } from '../../runtime/attacks/images.ts';

/** Red, green and blue in 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** What stands for -1, 0 and +1 on light and on dark ground: the ends of ColorBrewer's RdBu, made brighter on dark. */
const ends = {
  light: { negative: [33, 102, 172], zero: [255, 255, 255], positive: [178, 24, 43] },
  dark: { negative: [92, 168, 242], zero: [24, 24, 26], positive: [255, 99, 92] },
} as const;

export type Theme = keyof typeof ends;

/** How values become colours. */
export interface Palette {
  /** The colour of a value of an image of one channel. */
  readonly one: (value: number) => Rgb;
  /** The level, 0..255, of red, green or blue in an image of three. */
  readonly channel: (value: number) => number;
}

const within = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
const level = (value: number): number => 255 * within(value, 0, 1);

/** The values of an image; what lies outside 0..1 is shown as black or white. */
export const grey: Palette = {
  one: (value) => [level(value), level(value), level(value)],
  channel: level,
};

/**
 * Changes of up to `eps`: -eps is blue, 0 is the ground, eps is red; beyond that as at the ends. In colour, a channel is
 * darker or lighter than half.
 */
export function diverging(theme: Theme, eps: number): Palette {
  const { negative, zero, positive } = ends[theme];
  const part = (value: number): number => (eps > 0 ? within(value / eps, -1, 1) : 0);
  return {
    one(value) {
      const signed = part(value);
      const end = signed < 0 ? negative : positive;
      const mix = (i: 0 | 1 | 2): number => zero[i] + Math.abs(signed) * (end[i] - zero[i]);
      return [mix(0), mix(1), mix(2)];
    },
    channel: (value) => level((1 + part(value)) / 2),
  };
}

/** An image as the bytes of an ImageData: in colour where it has three channels, else its first channel. */
export function paint(
  values: Float32Array,
  { channels, height, width }: ImageShape,
  { one, channel }: Palette,
): Uint8ClampedArray<ArrayBuffer> {
  const pixels = height * width;
  const bytes = new Uint8ClampedArray(4 * pixels);
  for (let i = 0; i < pixels; i++) {
    if (channels === 3) {
      for (let c = 0; c < 3; c++) bytes[4 * i + c] = channel(values[c * pixels + i]!);
    } else bytes.set(one(values[i]!), 4 * i);
    bytes[4 * i + 3] = 255;
  }
  return bytes;
}
