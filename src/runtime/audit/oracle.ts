import type { Ports } from '../../models/classifier/plans.ts';
import { imagesAt, sizeOf } from '../attacks/images.ts';
import type {
  Batch,
  Generator,
  Images,
  ImageShape,
  LossName,
  Oracle,
  Slope,
  Trained,
} from '../attacks/index.ts';
import { modelDevice, openModel, type ExternalFiles, type Model, type SessionOptions } from '../session.ts';
import { float32, type Tensor } from '../tensor.ts';
import { fileInput, inBatches, logitsFrom, ownPorts } from './conversion.ts';

/** What an oracle is made of. */
export interface OracleFiles {
  /** The classifier's file, whoever wrote it. Forward queries run this very file. */
  readonly classifier: Uint8Array;
  /** The files that its weights lie in, if they lie outside it. */
  readonly external?: ExternalFiles;
  /** Whether ONNX Runtime may change the file's graph before it runs it; true when absent. */
  readonly optimized?: boolean;
  /** How the file is given images and what its answers are, where that is not `image` in 0..1 -> `logits`. */
  readonly ports?: Ports;
  readonly image: ImageShape;
  readonly classes: number;
  /**
   * Makes the program `image`, `label` -> `logits`, `loss`, `gradient` of a loss (`classifierGradientModel`), lowered for
   * the device in use. Called when an attack first asks for the loss; with a number of images when the program is to take
   * that number alone.
   */
  readonly gradient?: (loss: LossName, batch?: number) => Uint8Array | Promise<Uint8Array>;
  /** The only batch that these programs take; any when null or absent. */
  readonly gradientBatch?: number | null;
  /**
   * The number of images that most gradients are asked of at a time. Those come from a program of their own, which ONNX
   * Runtime optimises for that number; any other number runs in a program that takes any. When absent, all do.
   */
  readonly batchSize?: number;
  /** A trained attacker. */
  readonly generator?: AttackerModel;
  /** A trained perturbation for all images. */
  readonly universal?: AttackerModel;
}

/** A model `image` -> `perturbation`, and what it was trained for. */
export interface AttackerModel extends Pick<Generator, 'eps' | 'targeted'> {
  /** Its bytes. Where it was trained for several eps it takes `eps` [batch], where it is targeted `target` [batch]. */
  readonly attacker: Uint8Array;
}

/** What was asked so far, in images. */
export interface Queries {
  readonly forward: number;
  readonly backward: number;
}

/** A classifier in ONNX Runtime, to be attacked. */
export interface OpenOracle extends Oracle {
  readonly queries: () => Queries;
  close(): Promise<void>;
}

/** Opens a classifier, and what else is known of it, in ONNX Runtime. */
export async function openOracle(
  {
    classifier,
    external,
    optimized = true,
    image,
    ports: { input, output } = ownPorts(image),
    classes,
    gradient,
    gradientBatch = null,
    batchSize,
    ...trained
  }: OracleFiles,
  options: SessionOptions,
): Promise<OpenOracle> {
  const queries = { forward: 0, backward: 0 };
  const open: Model[] = [];
  const opened = async (
    bytes: Uint8Array,
    more: Partial<SessionOptions>,
    files?: ExternalFiles,
  ): Promise<Model> => {
    const model = await openModel(bytes, { ...options, ...more }, files);
    open.push(model);
    return model;
  };
  const close = async (): Promise<void> => {
    for (const model of open.splice(0)) await model.close();
  };
  try {
    const own = { device: modelDevice(options.device) };
    const forward = await opened(classifier, { ...own, optimized }, external);
    const attackers: Partial<Record<Trained, Generator>> = {};
    for (const name of ['generator', 'universal'] as const) {
      const files = trained[name];
      if (files) attackers[name] = generatorOf(files, await opened(files.attacker, own));
    }
    const gradients = new Map<string, Promise<Model>>();
    const gradientOf = (loss: LossName, images: number): Promise<Model> => {
      const bound = gradientBatch === null && images === batchSize;
      const key = `${loss} ${bound}`;
      const made = async () => opened(await gradient!(loss, bound ? images : undefined), {});
      const known = gradients.get(key);
      if (known) return known;
      const opening = made();
      gradients.set(key, opening);
      // what failed once, for want of memory or a file, may be tried again
      opening.catch(() => gradients.delete(key));
      return opening;
    };
    return {
      image,
      classes,
      async logits(images) {
        queries.forward += images.shape[0];
        const parts = await inBatches(images.shape[0], input.batch, async (places) => {
          const answers = await forward.run({ [input.name]: fileInput(input, these(images, places)) });
          return logitsFrom(output, answers[output.name]!).data;
        });
        return { data: joined(parts, classes), shape: [images.shape[0], classes] };
      },
      ...(gradient && {
        async gradient(
          { images, labels, targets }: Pick<Batch, 'images' | 'labels' | 'targets'>,
          loss: LossName,
        ) {
          queries.backward += images.shape[0];
          const model = await gradientOf(loss, images.shape[0]);
          const parts = await inBatches(images.shape[0], gradientBatch, (places) =>
            model.run({
              image: tensorOf(these(images, places)),
              label: classesAt(labels, places),
              ...('target' in model.inputs && { target: classesAt(targets!, places) }),
            }),
          );
          const all = (name: string, size: number): Float32Array =>
            joined(
              parts.map((part) => ({ ...part, answer: part.answer[name]!.data as Float32Array })),
              size,
            );
          return {
            logits: { data: all('logits', classes), shape: [images.shape[0], classes] },
            loss: all('loss', 1),
            gradient: { data: all('gradient', sizeOf(images)), shape: images.shape },
          } satisfies Slope;
        },
      }),
      ...attackers,
      queries: () => ({ ...queries }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A trained attacker as attacks ask it. */
const generatorOf = ({ eps, targeted = false }: AttackerModel, model: Model): Generator => ({
  eps,
  targeted,
  async perturbation(images, each, targets) {
    const [count] = images.shape;
    const { perturbation } = await model.run({
      image: tensorOf(images),
      ...('eps' in model.inputs && { eps: float32([count], new Float32Array(count).fill(each)) }),
      ...('target' in model.inputs && { target: { dtype: 'int32', shape: [count], data: targets! } }),
    });
    return imagesOf(perturbation!);
  },
});

const tensorOf = ({ data, shape }: Images): Tensor => float32(shape, data);
const imagesOf = ({ data, shape }: Tensor): Images => ({
  data: data as Float32Array,
  shape: shape as Images['shape'],
});

/** The images at some places; the same object where those are all, in order. */
const these = (images: Images, places: readonly number[]): Images =>
  isAll(places, images.shape[0]) ? images : imagesAt(images, places);

function classesAt(classes: Int32Array, places: readonly number[]): Tensor {
  const data = isAll(places, classes.length) ? classes : Int32Array.from(places, (i) => classes[i]!);
  return { dtype: 'int32', shape: [data.length], data };
}

const isAll = (places: readonly number[], count: number): boolean =>
  places.length === count && places.every((place, i) => place === i);

/** The answers of all batches one after the other, `size` numbers an image. */
function joined(
  parts: readonly { readonly answer: Float32Array; readonly count: number }[],
  size: number,
): Float32Array {
  const [first, ...others] = parts;
  if (first && others.length === 0) return first.answer.subarray(0, first.count * size);
  const data = new Float32Array(parts.reduce((n, { count }) => n + count, 0) * size);
  let at = 0;
  for (const { answer, count } of parts) {
    data.set(answer.subarray(0, count * size), at);
    at += count * size;
  }
  return data;
}
