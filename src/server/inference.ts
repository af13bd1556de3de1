import { constrain, distances, type Constraint } from '../runtime/attacks/constrain.ts';
import type { ImageShape } from '../runtime/attacks/images.ts';
import { valuesOf } from '../runtime/classifier-card.ts';
import { openModel, type Model } from '../runtime/session.ts';
import { float32 } from '../runtime/tensor.ts';

/** Images for one attacker, from one or more requests. */
export interface Batch {
  /** The folder of the cell. */
  readonly cell: string;
  /** The values of n images, in 0..1. */
  readonly images: Float32Array;
  /** One an image. */
  readonly constraints: readonly Pick<Constraint, 'clip' | 'bits'>[];
}

/** What came out, image after image. */
export interface BatchResult {
  /** As many values: the attacker's outputs. */
  readonly perturbation: Float32Array;
  /** As many. */
  readonly attacked: Float32Array;
  readonly linf: readonly number[];
  readonly l2: readonly number[];
  /** `2 * n * classes`: probabilities of all images, then of all attacked images. */
  readonly c1: Float32Array;
  /** The same of C2; null where there is none. */
  readonly c2: Float32Array | null;
}

/** The open models of a cell. */
export interface OpenCell {
  attack(batch: Omit<Batch, 'cell'>): Promise<BatchResult>;
  close(): Promise<void>;
}

/** The models of a cell, and what they are for. */
export interface CellFiles extends Readonly<Record<'c1' | 'attacker', Uint8Array>> {
  readonly c2: Uint8Array | null;
  readonly eps: number;
  readonly image: ImageShape;
}

/** Opens the models of a cell on `threads` threads of the CPU. */
export async function openCell({ eps, image, ...bytes }: CellFiles, threads: number): Promise<OpenCell> {
  const size = valuesOf(image);
  const open = async (model: Uint8Array): Promise<Model> =>
    await openModel(model, { device: 'cpu', threads });
  const attacker = await open(bytes.attacker);
  const [c1, c2] = [await open(bytes.c1), bytes.c2 && (await open(bytes.c2))];
  const run = async (model: Model, images: Float32Array, output: string): Promise<Float32Array> => {
    const { channels, height, width } = image;
    const tensor = float32([images.length / size, channels, height, width], images);
    return (await model.run({ image: tensor }))[output]!.data as Float32Array;
  };
  return {
    async attack({ images, constraints }) {
      const perturbation = await run(attacker, images, 'perturbation');
      const both = new Float32Array(2 * images.length);
      both.set(images);
      const attacked = both.subarray(images.length);
      const apart = constraints.map((constraint, i) => {
        const part = (of: Float32Array): Float32Array => of.subarray(i * size, (i + 1) * size);
        attacked.set(constrain(part(images), part(perturbation), { eps, ...constraint }), i * size);
        return distances(part(images), part(attacked));
      });
      return {
        perturbation,
        attacked: attacked.slice(),
        linf: apart.map(({ linf }) => linf),
        l2: apart.map(({ l2 }) => l2),
        c1: await run(c1, both, 'probabilities'),
        c2: c2 && (await run(c2, both, 'probabilities')),
      };
    },
    async close() {
      for (const model of [attacker, c1, c2]) await model?.close();
    },
  };
}
