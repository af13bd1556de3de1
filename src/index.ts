/**
 * Opens ONNX image classifiers, attacks, audits and hardens them, in Node.
 *
 * @module sparring
 */

import { openOn, type OpenClassifier, type OpenOptions } from './api/classifier.ts';
import { hardenOn, type Hardened, type HardenOptions } from './api/harden.ts';
import { node } from './api/node.ts';
import type { ImageSource } from './runtime/data/source.ts';

export * from './api/index.ts';
export { labelledBy } from './runtime/data/answers.ts';
export { loadDataset, openImages } from './runtime/data/formats.ts';
export type { Hardened, HardenOptions };
export type { HardenCheckpoint, HardenProgress, HardenRecord } from './runtime/training/harden.ts';
export type { ImageOptions } from './runtime/data/dataset.ts';

/**
 * Opens an ONNX image classifier, whoever wrote it: what its file does not say is found beside it or assumed, which
 * `origin.facts` says, and the options decide. Its images are float32 [batch,channels,height,width] in 0..1, RGB. The
 * logits of its gradient graph are compared with those of the file. Close it when you are done.
 *
 * @param model the bytes of the file; or its path in Node, its URL in a browser.
 * @throws InputError in one line when it cannot be read or is no such classifier.
 */
export const openClassifier = (
  model: Uint8Array | string,
  options: OpenOptions = {},
): Promise<OpenClassifier> => openOn(node, model, options);

/**
 * Trains the weights of an ONNX image classifier against attacks. The result is its own file with other weights: ports,
 * names, operators, versions, layout and preprocessing stay as they are.
 *
 * @param model the bytes of the file, or its path.
 * @param train labelled images, such as `train` of what `loadDataset` gives; some are held out to find the best epoch.
 * @throws InputError in one line before long work, when the classifier, an option or the images are wrong; the reason of the
 *   signal when that was aborted.
 * @example
 * const { train } = await loadDataset('mnist');
 * const { model, external } = await harden('model.onnx', train, { eps: 0.3, method: 'pgd', epochs: 20 });
 */
export const harden = (
  model: Uint8Array | string,
  train: ImageSource,
  options: HardenOptions,
): Promise<Hardened> => hardenOn(node, model, train, options);
