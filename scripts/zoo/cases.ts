import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Images, ImageShape } from '../../src/index.ts';
import { stream } from '../../src/runtime/random.ts';

/** Images of a model, [count,channels,height,width], and what is known of their gradients. */
export interface Case {
  readonly images: Images;
  readonly labels: Int32Array;
  /** By autograd; null where nothing lies beside the model. */
  readonly gradients: Gradients | null;
}

/** Gradients of the sum of the cross-entropies, in the shape of the images. */
export interface Gradients {
  readonly float64: Float64Array;
  readonly float32: Float32Array;
}

/** What `scripts/zoo/export.py` writes beside a model. */
export interface Meta {
  readonly name: string;
  readonly exporter: string;
  readonly n: number;
  /** Of one image, as the file takes it. */
  readonly shape: readonly number[];
  readonly labels: readonly number[];
  /** The file of its images. */
  readonly x: string;
  /** The PyTorch module. */
  readonly pt?: string;
}

export const nameOf = (path: string): string =>
  basename(path) === 'model.onnx' ? basename(dirname(path)) : basename(path, '.onnx');

/** What is known of a model; null where nothing lies beside it. */
export async function metaOf(path: string): Promise<Meta | null> {
  const file = join(dirname(path), 'meta.json');
  if (basename(path) !== 'model.onnx' || !existsSync(file)) return null;
  return {
    ...(JSON.parse(await readFile(file, 'utf8')) as Omit<Meta, 'x'>),
    x: join(dirname(path), 'x.f32'),
  };
}

/** The images, labels and gradients that lie beside a model; random images where none do. */
export async function caseOf(path: string, meta: Meta | null, image: ImageShape): Promise<Case> {
  const { channels, height, width } = image;
  if (!meta) {
    const random = stream(1, 'zoo', nameOf(path));
    const data = Float32Array.from({ length: 2 * channels * height * width }, () => random.uniform());
    return {
      images: { data, shape: [2, channels, height, width] },
      labels: new Int32Array(2),
      gradients: null,
    };
  }
  const bytes = async (file: string): Promise<ArrayBuffer> =>
    new Uint8Array(await readFile(join(dirname(path), file))).buffer;
  const isLast = meta.shape[0] !== channels; // [height,width,channels]
  const ordered = <T extends Float32Array | Float64Array>(data: T): T =>
    isLast ? channelsFirst(data, channels) : data;
  return {
    images: {
      data: ordered(new Float32Array(await bytes('x.f32'))),
      shape: [meta.n, channels, height, width],
    },
    labels: Int32Array.from(meta.labels),
    gradients: {
      float64: ordered(new Float64Array(await bytes('g64.f64'))),
      float32: ordered(new Float32Array(await bytes('g32.f32'))),
    },
  };

  function channelsFirst<T extends Float32Array | Float64Array>(data: T, c: number): T {
    const plane = height * width;
    return data.map((_, at) => {
      const [n, rest] = [Math.floor(at / (c * plane)), at % (c * plane)];
      return data[n * c * plane + (rest % plane) * c + Math.floor(rest / plane)]!;
    }) as T;
  }
}
