import { openLoaded } from '../api/classifier.ts';
import { imageOptions, loadClassifier, naming, type Loaded } from '../api/load.ts';
import { node } from '../api/node.ts';
import type { SelfCheck } from '../api/self-check.ts';
import type { AdoptOptions } from '../models/classifier/options.ts';
import type { Ports } from '../models/classifier/plans.ts';
import type { Fact } from '../models/classifier/classifier.ts';
import { describeModel, type Missing, type ModelDescription } from '../onnx/index.ts';
import type { Images, ImageShape } from '../runtime/attacks/index.ts';
import { openModel, type Model } from '../runtime/session.ts';
import { InputError, openImages, type ImageSource, type SessionOptions } from '../runtime/index.ts';
import { firstOf } from '../runtime/data/source.ts';
import { accuracyOf, candidates, type Candidate } from '../api/candidates.ts';

/** What was found out about a model: plain data, as `inspect --json` prints it. */
export interface Inspection {
  readonly model: string;
  /** What the file says of itself. */
  readonly file: ModelDescription;
  /** What was understood of it; null where it is no image classifier, or leaves open what only options can say. */
  readonly classifier: {
    readonly image: ImageShape;
    readonly classes: number;
    readonly labels: readonly string[] | null;
    readonly ports: Ports;
    readonly facts: readonly Fact[];
    readonly notes: readonly string[];
  } | null;
  /** Whether there is a gradient, and if not, why, with all that is missing. */
  readonly gradient: {
    readonly exists: boolean;
    readonly reason: string | null;
    readonly missing: readonly Missing[];
  };
  /** How far the gradient graph's logits are from the file's; null where they were not compared. */
  readonly selfCheck: SelfCheck | null;
  /** Why the model is rejected; null where it is not. */
  readonly problem: string | null;
  /** How well the model does on labelled images, prepared as was understood and in the usual ways; the best first. */
  readonly data: DataReport | null;
}

/** A model on labelled images. */
export interface DataReport {
  readonly name: string;
  /** Images that were classified. */
  readonly images: number;
  /** The accuracy with the preparation that was understood. */
  readonly understood: number;
  readonly candidates: readonly (Pick<Candidate, 'options'> & { readonly accuracy: number })[];
}

/**
 * Finds out what can be known of a model.
 *
 * @param data a name or path of labelled images, on which the usual ways to prepare images are tried.
 * @throws InputError when the file cannot be read, is no ONNX model, or the images are none for it.
 */
export async function inspect(
  model: string,
  adopted: AdoptOptions,
  data: string | null,
  options: SessionOptions,
): Promise<Inspection> {
  const bytes = await node.read(model);
  const file = await naming(model, () => describeModel(bytes));
  const nothing = { model, file, classifier: null, selfCheck: null, data: null };
  let loaded: Loaded;
  try {
    loaded = await loadClassifier(node, model, adopted);
  } catch (error) {
    const problem = lineOf(error, model);
    return { ...nothing, gradient: { exists: false, reason: problem, missing: [] }, problem };
  }
  const { image, classes, labels, ports, origin, noGradient } = loaded.classifier;
  const images = data === null ? null : await openLabelled(data, loaded);
  const understood = { image, classes, labels, ports, facts: origin.facts };
  try {
    const opened = await openLoaded(node, loaded, { ...options });
    await opened.close();
    return {
      ...nothing,
      classifier: { ...understood, notes: opened.origin.notes },
      gradient: { exists: opened.noGradient === null, reason: opened.noGradient, missing: origin.missing },
      selfCheck: opened.selfCheck,
      problem: null,
      data: images && (await tried(loaded, images, options)),
    };
  } catch (error) {
    const problem = lineOf(error, model);
    return {
      ...nothing,
      classifier: { ...understood, notes: origin.notes },
      gradient: { exists: false, reason: noGradient ?? problem, missing: origin.missing },
      problem,
    };
  }
}

const lineOf = (error: unknown, model: string): string => {
  const line = (error as Error).message.split('\n', 1)[0]!;
  return line.startsWith(`${model}: `) ? line.slice(model.length + 2) : line;
};

const most = 500;

async function openLabelled(data: string, loaded: Loaded): Promise<ImageSource> {
  const images = await openImages(data, { ...imageOptions(loaded), count: most });
  if (images.labels !== 'unknown') return images;
  throw new InputError(
    `${data}: has no labels, which accuracy needs; put the pictures into a folder for each class`,
  );
}

/** The accuracy on images prepared in the usual ways. */
async function tried(
  { classifier, files }: Loaded,
  data: ImageSource,
  options: SessionOptions,
): Promise<DataReport> {
  const { ports } = classifier;
  const batch = await firstOf(data, most);
  const images = { data: batch.image.data, shape: batch.image.shape } as Images;
  const labels = batch.label.data as Int32Array;
  const model: Model = await openModel(files.bytes, { ...options, device: 'cpu' }, files.external);
  try {
    const understood = await accuracyOf(model, ports, images, labels);
    const found = [];
    for (const { options: own, plan } of candidates(ports.input)) {
      const accuracy = await accuracyOf(model, { ...ports, input: plan }, images, labels);
      found.push({ options: own, accuracy });
    }
    return {
      name: data.name,
      images: labels.length,
      understood,
      candidates: found.toSorted((a, b) => b.accuracy - a.accuracy),
    };
  } finally {
    await model.close();
  }
}
