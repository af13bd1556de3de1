import type * as Ort from 'onnxruntime-web';
import type { Backend } from './protocol.ts';

/** ONNX Runtime as this page uses it. */
export type Runtime = Pick<typeof Ort, 'env' | 'InferenceSession' | 'Tensor'>;

/**
 * Loads the build of ONNX Runtime for a backend: WASM alone is half the size of the one that has WebGPU. The only import
 * of onnxruntime-web in the demo.
 *
 * @param threads of WASM.
 */
export async function loadRuntime(backend: Backend, threads: number): Promise<Runtime> {
  const ort: Runtime =
    backend === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm');
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  return ort;
}
