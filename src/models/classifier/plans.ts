/** The element types of inputs and outputs that images and logits can be converted to and from. */
export const fileElements = ['float32', 'float16', 'float64', 'uint8', 'int32'] as const;
export type FileElement = (typeof fileElements)[number];

/**
 * How images become what a file takes, as plain data: the runtime follows it for the original file, and `adopt` writes it
 * as nodes into our graph. Images are float32 [batch,channels,height,width] in 0..1, RGB.
 */
export interface InputPlan {
  /** The file's name of the input. */
  readonly name: string;
  readonly element: FileElement;
  /** The shape of one image in the file, without the batch: `[3,224,224]`, `[784]`, `[784,1]`. */
  readonly shape: readonly number[];
  /** The order of the values in it, also where they are flat. */
  readonly layout: 'nchw' | 'nhwc';
  /** For each channel of the file, which channel of the image it holds: `[2,1,0]` for BGR, `[0,0,0]` for grey images. */
  readonly from: readonly number[];
  /** value = pixel * scale + shift, one of each for every channel of the file; rounded where the element is an integer. */
  readonly scale: readonly number[];
  readonly shift: readonly number[];
  /** The only batch that the file takes; null for any. */
  readonly batch: number | null;
}

/**
 * What a file's output is:
 * - `logits`, or any scores that are no probabilities;
 * - `probabilities` of a softmax, and `log-probabilities`: logits up to a number that all classes of an image share;
 * - `sigmoid`: a probability of each class by itself, z = log(p / (1 - p));
 * - `rounded-probabilities` and `rounded-sigmoid`: the same, rounded to steps or in half precision, or kept from 0 and 1.
 */
export type OutputForm =
  'logits' | 'probabilities' | 'log-probabilities' | 'sigmoid' | 'rounded-probabilities' | 'rounded-sigmoid';

/** How a file's output becomes logits [batch,classes], as plain data. */
export interface OutputPlan {
  /** The file's name of the output. */
  readonly name: string;
  readonly form: OutputForm;
  /** A single number z an image, of which two classes are made: their logits are [0, z]. */
  readonly single: boolean;
}

/** What a file's input and output are to a classifier. */
export interface Ports {
  readonly input: InputPlan;
  readonly output: OutputPlan;
}
