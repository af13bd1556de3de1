import { openOn, type OpenClassifier, type OpenOptions } from './api/classifier.ts';
import { node } from './api/node.ts';

export * from './api/index.ts';
export { labelledBy } from './runtime/data/answers.ts';
export { openImages } from './runtime/data/formats.ts';
export type { ImageOptions } from './runtime/data/dataset.ts';

/**
 * Opens an ONNX image classifier: one input [batch,channels,height,width] of float32 in 0..1, and an output
 * [batch,classes] that is called `logits` or is the only one. Close it when you are done.
 *
 * @param model the bytes of the file; or its path in Node, its URL in a browser.
 * @throws InputError in one line when it cannot be read or is no such classifier.
 */
export const openClassifier = (
  model: Uint8Array | string,
  options: OpenOptions = {},
): Promise<OpenClassifier> => openOn(node, model, options);
