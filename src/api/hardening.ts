import { averagePrefix, inference, input, lower, readback, type Program } from '../builder/index.ts';
import type { Classifier } from '../models/classifier/classifier.ts';
import { tunable, weightPrefix, type Tunable } from '../models/classifier/tune.ts';
import { onStored } from '../models/programs.ts';
import { encode, encodeProgram } from '../onnx/index.ts';
import type { Images, Logits } from '../runtime/attacks/index.ts';
import { apartOf } from '../runtime/audit/comparison.ts';
import type { ImageSource } from '../runtime/data/source.ts';
import type { Device } from '../runtime/devices/index.ts';
import { initialState, openModel, type ProgramFile, type SessionOptions } from '../runtime/session.ts';
import { float32, type Tensors } from '../runtime/tensor.ts';
import type { OpenClassifier } from './classifier.ts';
import { withGradient, type Loaded } from './load.ts';
import { fromFiles } from './parting.ts';

/** A classifier with its weights open, or the reason why there is none, before the long work. */
export function openTunable(
  { classifier: read, files }: Loaded,
  train: ImageSource,
  batch: number,
): { readonly classifier: Classifier; readonly tuned: Tunable } {
  const classifier = withGradient(read, 'trained');
  const sizes = ({ channels, height, width }: ImageSource['shape']): string =>
    [channels, height, width].join('x');
  if (sizes(train.shape) !== sizes(classifier.image)) {
    throw new Error(`it takes images of ${sizes(classifier.image)}, ${train.name} has ${sizes(train.shape)}`);
  }
  if (train.labels) throw new Error(`${train.name} has no true labels, which training needs`);
  if (train.classes.length > classifier.classes) {
    throw new Error(`it has ${classifier.classes} classes, ${train.name} has ${train.classes.length}`);
  }
  const external = Object.keys(files.external).length > 0 ? fromFiles(files.external) : undefined;
  return { classifier, tuned: tunable(files.bytes, classifier, batch, external) };
}

/** A program as the runtime takes it: many steps a run where all images are in memory and the device can loop. */
export function programFile(program: Program, device: Device, isStored: boolean): ProgramFile {
  const single = { ...program, graph: lower(program.graph, device) };
  const form = isStored && device !== 'webgpu' ? onStored(single) : single;
  return {
    bytes: encodeProgram(form),
    metadata: form.metadata,
    ...(device === 'webgpu' && { readback: encode(readback(program)) }),
  };
}

/** The first state: the file's weights, averages of them, and an optimizer that has not moved. */
export function beginning({ trained }: Tunable, { metadata }: ProgramFile): Tensors {
  const own = weightTensors(trained, new Map(trained.map(({ name, data }) => [name, data.slice()])));
  return new Map(
    [...initialState(metadata, [])].map(([name, zeros]) => {
      const of = name.startsWith(averagePrefix) ? name.slice(averagePrefix.length) : name;
      return [name, own.get(of) ?? zeros];
    }),
  );
}

const weightTensors = (trained: Tunable['trained'], weights: ReadonlyMap<string, Float32Array>): Tensors =>
  new Map(
    trained.map(({ name, shape }) => [`${weightPrefix}${name}`, float32(shape, weights.get(name)!)] as const),
  );

/**
 * How far the logits of a classifier's file are from those of the graph that was trained, in parts of the largest.
 *
 * @param opened with the weights in its file.
 */
export async function apartFromTrained(
  opened: OpenClassifier,
  { batch, logits, parameters, trained }: Tunable,
  weights: ReadonlyMap<string, Float32Array>,
  source: ImageSource,
  options: SessionOptions,
): Promise<number> {
  const { image } = await source.read(Array.from({ length: batch }, (_, i) => i % source.count));
  const images: Images = { data: image.data as Float32Array, shape: image.shape as Images['shape'] };
  const x = input('image', 'float32', images.shape);
  const program = inference({
    name: 'trained',
    data: [x],
    parameters: [parameters],
    outputs: { logits: logits(x) },
  });
  const model = await openModel(encode(lower(program.graph, options.device)), options);
  try {
    const ours = await model.run({ image, ...Object.fromEntries(weightTensors(trained, weights)) });
    const found: Logits = { data: ours['logits']!.data as Float32Array, shape: [batch, opened.classes] };
    return apartOf(await opened.logits(images), found, opened.comparison.form).relative;
  } finally {
    await model.close();
  }
}
