import { constrain, distances } from '../runtime/attacks/constrain.ts';
import type { ImageShape } from '../runtime/attacks/images.ts';
import { valuesOf } from '../runtime/classifier-card.ts';
import { openModel, type Model } from '../runtime/session.ts';
import { float32 } from '../runtime/tensor.ts';
import type { Batch, CellRows } from './work.ts';

/** The open models of a cell. */
export interface OpenCell {
  attack(batch: Omit<Batch, 'cell'>): Promise<CellRows>;
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
  const judged = async (model: Model, both: Float32Array): Promise<Float32Array> =>
    inRows(await run(model, both, 'probabilities'), both.length / size / 2);
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
        linf: Float64Array.from(apart, ({ linf }) => linf),
        l2: Float64Array.from(apart, ({ l2 }) => l2),
        c1: await judged(c1, both),
        c2: c2 && (await judged(c2, both)),
      };
    },
    async close() {
      for (const model of [attacker, c1, c2]) await model?.close();
    },
  };
}

/** Of n rows and n more, the first of each, then the second of each, and so on. */
function inRows(both: Float32Array, n: number): Float32Array {
  const length = both.length / (2 * n);
  const rows = new Float32Array(both.length);
  for (let i = 0; i < 2 * n; i++) {
    rows.set(both.subarray(i * length, (i + 1) * length), (2 * (i % n) + Math.floor(i / n)) * length);
  }
  return rows;
}
