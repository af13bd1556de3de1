import { nameOf, type ClassifierCard } from '../runtime/classifier-card.ts';
import { fromBase64, type DemoSamples } from '../runtime/experiment/demo-data.ts';
import { readsDigits } from './digits/shape.ts';

/** A test image that comes with the page. */
export interface Digit {
  /** Where it stands in the test set. */
  readonly index: number;
  /** Its class. */
  readonly label: number;
  /** Pixels in 0..1, row by row. */
  readonly pixels: Float32Array;
}

/** The sample images, class by class; none where the page has none. */
export function digitsOf(samples: DemoSamples | null): readonly Digit[] {
  if (!samples) return [];
  const size = (samples.channels ?? 1) * samples.width * samples.height;
  const bytes = fromBase64(samples.pixels);
  return samples.indices.map((index, i) => ({
    index,
    label: samples.labels[i]!,
    pixels: Float32Array.from(bytes.subarray(size * i, size * (i + 1)), (byte) => byte / 255),
  }));
}

/** What the page calls its images: digits where they are, images of a class otherwise. */
export interface Words {
  /** `digit` or `image` */
  readonly thing: 'digit' | 'image';
  /** `Draw a digit`, `Draw an image`, or `Open a picture` where nothing can be drawn. */
  readonly draw: string;
  /** `true digit`, `true class` */
  readonly truth: string;
  /** `7`, or `class 7`, or the name of the class */
  readonly named: (label: number) => string;
  /** `a 7`, `an 8`, or `class 7`, or the name of the class */
  readonly one: (label: number) => string;
  /** `MNIST test image 17` */
  readonly source: (index: number) => string;
}

/** @param name of the samples' data set, which is `mnist` for MNIST alone; empty where there are none. */
export function wordsFor(name: string, card: ClassifierCard): Words {
  const digits = name === 'mnist';
  const classNamed = (label: number): string => (card.labels ? nameOf(card, label) : `class ${label}`);
  return {
    thing: digits ? 'digit' : 'image',
    draw: digits ? 'Draw a digit' : readsDigits(card) ? 'Draw an image' : 'Open a picture',
    truth: digits ? 'true digit' : 'true class',
    named: (label) => (digits ? String(label) : classNamed(label)),
    one: (label) =>
      digits ? `${/^(?:8|11$|18$)/.test(String(label)) ? 'an' : 'a'} ${label}` : classNamed(label),
    source: (index) => `${digits ? 'MNIST' : name} test image ${index}`,
  };
}
