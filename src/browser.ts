/**
 * The same as `sparring`, for browsers: models are given by URL or as bytes, and there are no data sets.
 *
 * @module sparring in a browser
 */

import { openOn, type OpenClassifier, type OpenOptions } from './api/classifier.ts';
import { web } from './api/web.ts';

export * from './api/index.ts';

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
): Promise<OpenClassifier> => openOn(web, model, options);
