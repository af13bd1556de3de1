/** What the training API calls things: it finds parameters, buffers and the reset flag of a model by these names. */

/** The domain of ONNX Runtime's own operators. */
export const domain = 'com.microsoft';

/** The gradient of a parameter, within the training model. */
export const gradientOf = (parameter: string): string => `${parameter}_grad`;

/** Input: where a parameter's gradients of several steps are summed up. */
export const bufferOf = (parameter: string): string => `${parameter}_grad.accumulation.buffer`;

/**
 * Output: that something was written in place. The API runs the node and does not hand such an output to the caller,
 * which is why running statistics have one of this name as well.
 */
export const writtenOf = (name: string): string => `${name}_grad.accumulation.out`;

/** Input, bool [1]: whether gradients overwrite the buffers instead of being added. */
export const resetFlag = 'lazy_reset_grad';

/** The optimizer model's inputs, in the order that the API demands. */
export const optimizerInputs = [
  'learning_rate',
  'step',
  'params',
  'gradients',
  'first_order_moments',
  'second_order_moments',
] as const;

/** Where a training model says what the names of its inputs do not. */
export const descriptionKey = 'sparring.ort-training';

export interface Description {
  readonly schema: 1;
  /** Inputs that the caller feeds; all others are the API's. */
  readonly data: readonly string[];
  /** Choices that shaped the model: batch size, eps, bound. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
}
