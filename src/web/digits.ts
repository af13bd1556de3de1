import * as bundled from 'virtual:digits';

/** A test image of MNIST that comes with the page. */
export interface Digit {
  /** Where it stands in MNIST's test set of 10,000. */
  readonly index: number;
  /** 0 to 9. */
  readonly label: number;
  /** 784 in 0..1, row by row. */
  readonly pixels: Float32Array;
}

/** The bundled digits: ten of each class, class by class. */
export function bundledDigits(): readonly Digit[] {
  const bytes = Uint8Array.from(atob(bundled.pixels), (char) => char.charCodeAt(0));
  return bundled.indices.map((index, i) => ({
    index,
    label: bundled.labels[i]!,
    pixels: Float32Array.from(bytes.subarray(784 * i, 784 * (i + 1)), (byte) => byte / 255),
  }));
}
