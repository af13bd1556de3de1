/** Red, green and blue in 0..255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** What stands for -1, 0 and +1 on light and on dark ground: the ends of ColorBrewer's RdBu, made brighter on dark. */
const ends = {
  light: { negative: [33, 102, 172], zero: [255, 255, 255], positive: [178, 24, 43] },
  dark: { negative: [92, 168, 242], zero: [24, 24, 26], positive: [255, 99, 92] },
} as const;

export type Theme = keyof typeof ends;

/** A pixel of an image; what lies outside 0..1 is shown as black or white. */
export function grey(value: number): Rgb {
  const level = 255 * Math.min(1, Math.max(0, value));
  return [level, level, level];
}

/** A signed number: -1 is blue, 0 is the ground, 1 is red; beyond that as at the ends. */
export const diverging =
  (theme: Theme) =>
  (value: number): Rgb => {
    const { negative, zero, positive } = ends[theme];
    const end = value < 0 ? negative : positive;
    const weight = Math.min(1, Math.abs(value));
    const mix = (i: 0 | 1 | 2): number => zero[i] + weight * (end[i] - zero[i]);
    return [mix(0), mix(1), mix(2)];
  };

/** Values as the bytes of an ImageData. */
export function paint(values: Float32Array, colour: (value: number) => Rgb): Uint8ClampedArray<ArrayBuffer> {
  const bytes = new Uint8ClampedArray(4 * values.length);
  values.forEach((value, i) => bytes.set([...colour(value), 255], 4 * i));
  return bytes;
}
