import { loadedRuntime } from './ort.ts';

/**
 * What `#ort` is in the workers of the page (vite.config.ts): the build of ONNX Runtime that was loaded for their backend,
 * so that the runtime of this project runs on it. Import it, and what imports it, after that was done.
 */
export const { env, InferenceSession, Tensor } = loadedRuntime();
