import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { OpenOptions } from '../../src/index.ts';
import { parseVnnlib } from '../../src/runtime/audit/vnnlib.ts';
import {
  at,
  numbered,
  range,
  storedSource,
  valuesOf,
  type StoredSource,
} from '../../src/runtime/data/source.ts';
import { loadDigits } from '../../src/runtime/index.ts';

/** A classifier to attack, and its images. */
export interface Case {
  readonly path: string;
  /** The published one; null where there is none. */
  readonly eps: number | null;
  readonly open: Pick<OpenOptions, 'mean' | 'std'>;
  readonly images: () => Promise<StoredSource>;
}

const digits = async (): Promise<StoredSource> => (await loadDigits('mnist')).test;

/** The usual mean and standard deviation of CIFAR-10's pixels, by which the boxes of sri_resnet_a are made. */
const cifar10 = { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] } as const;

/** A classifier by its name, or the path of one that takes MNIST. */
export async function caseOf(name: string, folder: string): Promise<Case> {
  switch (name) {
    case 'wk17a':
      return { path: join(folder, 'wk17a.onnx'), eps: 0.1, open: {}, images: digits };
    case 'wong_fgsm':
      return { path: join(folder, 'wong_fgsm.onnx'), eps: 0.3, open: {}, images: digits };
    case 'sri_resnet_a': {
      const own = join(folder, name);
      const files = await readdir(own).catch(() => []);
      return {
        path: join(own, files.find((file) => file.endsWith('.onnx')) ?? 'network.onnx'),
        eps: 1 / 255,
        open: cifar10,
        images: () => middles(own, files),
      };
    }
    default:
      return { path: name, eps: null, open: {}, images: digits };
  }
}

/** The images of CIFAR-10 that are the middles of the properties' boxes, each once, with the label that a property is about. */
async function middles(folder: string, files: readonly string[]): Promise<StoredSource> {
  const shape = { channels: 3, height: 32, width: 32 };
  const found = new Map<string, { readonly pixels: Uint8Array; readonly label: number }>();
  for (const file of files.filter((each) => each.endsWith('.vnnlib.gz')).toSorted()) {
    const text = gunzipSync(await readFile(join(folder, file))).toString();
    const { low, high, anyOf } = parseVnnlib(text, file).regions[0]!;
    const { mean, std } = cifar10;
    const eps = Number(/eps_([\d.]+)\.vnnlib/.exec(file)![1]!);
    const pixels = Uint8Array.from({ length: valuesOf(shape) }, (_, i) => {
      const channel = Math.floor(i / 1024);
      const [least, most] = [low, high].map((bound) => 255 * (bound[i]! * std[channel]! + mean[channel]!));
      // a box ends at the edge of the range
      const level =
        most! > 254.99 ? least! + 255 * eps : least! < 0.01 ? most! - 255 * eps : (least! + most!) / 2;
      if (Math.abs(level - Math.round(level)) > 0.01)
        throw new Error(`${file}: X_${i} is no level: ${level}`);
      return Math.round(level);
    });
    // each condition is label - other <= 0: the label is what all have in common
    const common = anyOf.map(([half]) => half!.terms.find(([, factor]) => factor > 0)![0]);
    if (new Set(common).size !== 1) throw new Error(`${file}: is not about one label`);
    found.set(/idx_(\d+)/.exec(file)![1]!, { pixels, label: common[0]! });
  }
  const images = new Uint8Array(found.size * valuesOf(shape));
  [...found.values()].forEach(({ pixels }, i) => images.set(pixels, i * pixels.length));
  const labels = Int32Array.from(found.values(), ({ label }) => label);
  return storedSource({ name: 'sri_resnet_a', shape, classes: numbered(10), sha256: '' }, { images, labels });
}

/** Images from one on, in their order. */
export function imagesFrom(source: StoredSource, from: number, most: number): StoredSource {
  const end = Math.min(from + most, source.count);
  if (from >= end) throw new Error(`--from ${from}: there are ${source.count} images`);
  return at(source, range(from, end)) as StoredSource;
}

/** What is known of an image of WK17a. */
export interface Verdict {
  readonly truth: string;
  /** No smaller eps fools the classifier on this image; null where that is not known. */
  readonly smallest: number | null;
}

/** Image number -> verdict, of `wk17a.csv`. */
export async function verdicts(folder: string): Promise<ReadonlyMap<number, Verdict>> {
  const lines = (await readFile(join(folder, 'wk17a.csv'), 'utf8')).trim().split('\n').slice(1);
  return new Map(
    lines.map((line) => {
      const [image, truth, , bound] = line.split(',');
      return [Number(image), { truth: truth!, smallest: bound ? Number(bound) : null }] as const;
    }),
  );
}
