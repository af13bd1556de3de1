import type { ClassifierFile } from '../models/classifier/classifier.ts';
import type { OutputForm } from '../models/classifier/plans.ts';
import type { Images, ImageShape, Logits, Oracle } from '../runtime/attacks/index.ts';
import { apartOf, type Apart } from '../runtime/audit/comparison.ts';
import { stream } from '../runtime/random.ts';

/** What the comparison of a file with its gradient graph gave. */
export interface SelfCheck {
  /** Images that were compared: those to which the file gives what is no number are left out. */
  readonly images: number;
  /** The largest difference of two logits, in parts of the largest. */
  readonly apart: number;
  /** What it may be. */
  readonly tolerance: number;
}

/** A file's logits of some images, and how far those of its gradient graph are from them. */
export interface Compared extends Apart {
  readonly file: Logits;
  readonly agrees: boolean;
}

/** Compares the logits of a classifier's own file with those of its gradient graph, on images in 0..1. */
export async function compare(
  oracle: Oracle,
  { ports, origin: { tolerance } }: Pick<ClassifierFile, 'ports' | 'origin'>,
  images: Images,
): Promise<Compared> {
  const file = await oracle.logits(images);
  const slope = await oracle.gradient!({ images, labels: new Int32Array(images.shape[0]) }, 'gap');
  const apart = apartOf(file, slope.logits, ports.output.form);
  return { ...apart, file, agrees: apart.relative <= tolerance };
}

/** How far pixels are moved to see how steady a classifier's answers are: some sixteen steps of float32. */
export const shift = 1e-6;

/** How far the answers of a classifier's own file move when each pixel does, up or down by {@link shift}, in parts of the largest. */
export async function moved(oracle: Oracle, { data, shape }: Images, form: OutputForm): Promise<number> {
  const random = stream(1, 'self-check', 'shift');
  const near = data.map((pixel) => Math.abs(pixel + (random.uniform() < 0.5 ? -shift : shift)));
  return apartOf(await oracle.logits({ data, shape }), await oracle.logits({ data: near, shape }), form)
    .relative;
}

const count = 3;

/** Images of random pixels: they reach every part of a network. */
export function noise({ channels, height, width }: ImageShape): Images {
  const random = stream(1, 'self-check');
  const data = Float32Array.from({ length: count * channels * height * width }, () => random.uniform());
  return { data, shape: [count, channels, height, width] };
}

/**
 * Images of slow waves around grey, as smooth as photographs: networks that random pixels drive far from all that they
 * were trained on answer to them as to real ones.
 */
export function waves({ channels, height, width }: ImageShape): Images {
  const random = stream(1, 'self-check', 'waves');
  const data = new Float32Array(count * channels * height * width);
  let at = 0;
  for (let plane = 0; plane < count * channels; plane++) {
    const [down, along, phase] = [random.uniform(), random.uniform(), random.uniform()];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        data[at++] = 0.5 + 0.25 * Math.sin(2 * Math.PI * ((down * y) / height + (along * x) / width + phase));
      }
    }
  }
  return { data, shape: [count, channels, height, width] };
}
