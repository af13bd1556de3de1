import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError, openClassifier, type AdoptOptions, type OpenClassifier } from '../../src/index.ts';
import { describeModel } from '../../src/onnx/index.ts';
import { apartOf } from '../../src/runtime/audit/comparison.ts';
import { caseOf, metaOf, nameOf, type Case, type Meta } from './cases.ts';

/** How a model comes out. */
export interface Row {
  /** Its path in the folder. */
  readonly file: string;
  readonly model: string;
  /** How the file was made, where that is known. */
  readonly exporter: string | null;
  readonly opset: number | null;
  /** Whether it has at least as many convolutions as matrix products. */
  readonly convolutional: boolean;
  /** Whether it has a gradient that passed the self-check. */
  readonly accepted: boolean;
  /** The largest difference of a logit from the file's, over the largest logit. */
  readonly logits: number | null;
  /** ||ours - float64|| / ||float64|| of each image's gradient, and the same of PyTorch's in float32. */
  readonly gradient: Errors | null;
  readonly torch: Errors | null;
  /** What was assumed; of a model that is rejected, all that it lacks. */
  readonly remarks: string;
  readonly times: readonly Time[];
}

/** A ReLU or a maximum that tips in float32 makes one image's gradient another: the median does not see it. */
export interface Errors {
  readonly median: number;
  readonly worst: number;
}

/** Milliseconds of a forward pass with the gradient, here and in PyTorch. */
export interface Time {
  readonly batch: number;
  readonly ours: number;
  readonly torch: number | null;
}

/** Whether a gradient is as near to float64 as it may be: 1e-4, or ten times the error of PyTorch's float32. */
export const isNear = ({ gradient, torch }: Row, which: keyof Errors): boolean =>
  gradient !== null && gradient[which] <= Math.max(1e-4, 10 * (torch?.[which] ?? 0));

/** What is done with a model that is open. */
export interface Work {
  readonly threads: number;
  /** Writes each gradient beside its model, as ours.f32. */
  readonly keep: boolean;
  readonly time: ((opened: OpenClassifier, own: Case, meta: Meta | null) => Promise<readonly Time[]>) | null;
}

/** Sizes for what a file leaves open, tried one after the other. */
const sizes = [undefined, 32, 64, 75, 224];

/** The images of the zoo are what its files take, so nothing is to be found out of their unit. */
async function open(path: string, threads: number): Promise<OpenClassifier> {
  let first: unknown;
  for (const size of sizes) {
    const options: AdoptOptions = {
      scale: '0..1',
      ...(size !== undefined && { size: [size, size] as const }),
    };
    try {
      return await openClassifier(path, { threads, ...options });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      first ??= error;
      if (!error.message.includes('leaves height and width open')) throw first;
    }
  }
  throw first;
}

/** Opens a model as a user does, and compares its logits and its gradient. */
export async function check(folder: string, file: string, { threads, keep, time }: Work): Promise<Row> {
  const path = join(folder, file);
  const meta = await metaOf(path);
  const none: Row = {
    file,
    model: meta?.name ?? nameOf(path),
    exporter: meta?.exporter ?? null,
    opset: null,
    convolutional: false,
    accepted: false,
    logits: null,
    gradient: null,
    torch: null,
    remarks: '',
    times: [],
  };
  try {
    const { opsets, operators } = describeModel(new Uint8Array(await readFile(path)));
    const opset = opsets['ai.onnx'] ?? null;
    const count = (names: readonly string[]): number =>
      names.reduce((sum, op) => sum + (operators[op] ?? 0), 0);
    const convolutional = count(['Conv']) >= count(['MatMul', 'Gemm', 'Einsum']);
    const opened = await open(path, threads);
    try {
      const { origin, noGradient } = opened;
      if (!opened.gradient)
        return { ...none, opset, convolutional, remarks: lacking(origin.missing) || noGradient! };
      const own = await caseOf(path, meta, opened.image);
      const { images, labels, gradients } = own;
      const answers = await opened.logits(images);
      const slope = await opened.gradient({ images, labels }, 'ce');
      const ours = slope.gradient.data;
      if (keep && gradients) await writeFile(join(dirname(path), 'ours.f32'), ours);
      const facts = origin.facts.filter(({ about }) => about === 'layout' || about === 'batch');
      const remarks = [
        ...facts.map(({ text }) => text),
        ...origin.notes,
        ours.some(Number.isNaN) ? 'the gradient has NaN' : '',
      ];
      return {
        ...none,
        opset,
        convolutional,
        accepted: true,
        logits: apartOf(answers, slope.logits, opened.comparison.form).relative,
        gradient: gradients && errorsOf(ours, gradients.float64, labels.length),
        torch: gradients && errorsOf(gradients.float32, gradients.float64, labels.length),
        remarks: remarks.filter(Boolean).join('; '),
        times: time ? await time(opened, own, meta) : [],
      };
    } finally {
      await opened.close();
    }
  } catch (error) {
    return { ...none, remarks: (error as Error).message.replaceAll(path, 'the model').split('\n')[0]! };
  }
}

const lacking = (missing: OpenClassifier['origin']['missing']): string =>
  missing.map(({ what, count }) => `${what}${count > 1 ? ` x${count}` : ''}`).join('; ');

function errorsOf(ours: Float32Array, exact: Float64Array, images: number): Errors {
  const size = ours.length / images;
  const errors = Array.from({ length: images }, (_, i) => {
    let [difference, length] = [0, 0];
    for (let at = i * size; at < (i + 1) * size; at++) {
      difference += (ours[at]! - exact[at]!) ** 2;
      length += exact[at]! ** 2;
    }
    return Math.sqrt(difference / length);
  }).toSorted((a, b) => a - b);
  return { median: errors[Math.floor((images - 1) / 2)]!, worst: errors.at(-1)! };
}
