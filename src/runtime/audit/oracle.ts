import type { Batch, Images, ImageShape, Logits, LossName, Oracle, Slope } from '../attacks/index.ts';
import { modelDevice, openModel, type Model, type SessionOptions } from '../session.ts';
import { float32, type Tensor } from '../tensor.ts';

/** What an oracle is made of. */
export interface OracleFiles {
  /** The classifier: `image` -> `logits`. Forward queries run this very file. */
  readonly classifier: Uint8Array;
  /** What the file calls its input and its output, where they have other names. */
  readonly ports?: { readonly image: string; readonly logits: string };
  readonly image: ImageShape;
  readonly classes: number;
  /**
   * Makes the program `image`, `label` -> `logits`, `loss`, `gradient` of a loss (`classifierGradientModel`), lowered for
   * the device in use. Called when an attack first asks for the loss; with a number of images when the program is to take
   * that number alone.
   */
  readonly gradient?: (loss: LossName, batch?: number) => Uint8Array;
  /**
   * The number of images that most gradients are asked of at a time. Those come from a program of their own, which ONNX
   * Runtime optimises for that number; any other number runs in a program that takes any. When absent, all do.
   */
  readonly batchSize?: number;
  /** The trained attacker, `image` -> `perturbation`, and the eps that it was trained for. */
  readonly generator?: { readonly attacker: Uint8Array; readonly eps: number };
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
    ports = { image: 'image', logits: 'logits' },
    image,
    classes,
    gradient,
    batchSize,
    generator,
  }: OracleFiles,
  options: SessionOptions,
): Promise<OpenOracle> {
  const queries = { forward: 0, backward: 0 };
  const open: Model[] = [];
  const opened = async (bytes: Uint8Array, device: SessionOptions['device']): Promise<Model> => {
    const model = await openModel(bytes, { ...options, device });
    open.push(model);
    return model;
  };
  const close = async (): Promise<void> => {
    for (const model of open.splice(0)) await model.close();
  };
  try {
    const forward = await opened(classifier, modelDevice(options.device));
    const trained = generator && {
      eps: generator.eps,
      model: await opened(generator.attacker, modelDevice(options.device)),
    };
    const gradients = new Map<string, Promise<Model>>();
    const gradientOf = (loss: LossName, images: number): Promise<Model> => {
      const bound = images === batchSize;
      const key = `${loss} ${bound}`;
      const found = gradients.get(key) ?? opened(gradient!(loss, bound ? images : undefined), options.device);
      gradients.set(key, found);
      return found;
    };
    return {
      image,
      classes,
      async logits(images) {
        queries.forward += images.shape[0];
        return logitsOf(await forward.run({ [ports.image]: tensorOf(images) }), ports.logits);
      },
      ...(gradient && {
        async gradient(
          { images, labels, targets }: Pick<Batch, 'images' | 'labels' | 'targets'>,
          loss: LossName,
        ) {
          queries.backward += images.shape[0];
          const model = await gradientOf(loss, images.shape[0]);
          const outputs = await model.run({
            image: tensorOf(images),
            label: classes32(labels),
            ...(loss === 'dlr-targeted' && { target: classes32(targets!) }),
          });
          return {
            logits: logitsOf(outputs),
            loss: outputs['loss']!.data as Float32Array,
            gradient: imagesOf(outputs['gradient']!),
          } satisfies Slope;
        },
      }),
      ...(trained && {
        generator: {
          eps: trained.eps,
          async perturbation(images: Images) {
            const { perturbation } = await trained.model.run({ image: tensorOf(images) });
            return imagesOf(perturbation!);
          },
        },
      }),
      queries: () => ({ ...queries }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const tensorOf = ({ data, shape }: Images): Tensor => float32(shape, data);
const classes32 = (data: Int32Array): Tensor => ({ dtype: 'int32', shape: [data.length], data });
const imagesOf = ({ data, shape }: Tensor): Images => ({
  data: data as Float32Array,
  shape: shape as Images['shape'],
});
const logitsOf = (outputs: Readonly<Record<string, Tensor>>, name = 'logits'): Logits => ({
  data: outputs[name]!.data as Float32Array,
  shape: outputs[name]!.shape as Logits['shape'],
});
