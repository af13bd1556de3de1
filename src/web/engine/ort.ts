import type * as Ort from 'onnxruntime-web';
import wasmUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url';
import webGpuUrl from 'onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url';
import { runtimeName } from '../progress.ts';
import type { Backend } from './protocol.ts';
import { download, type DownloadOptions } from './store.ts';

/** ONNX Runtime as this page uses it. */
export type Runtime = Pick<typeof Ort, 'env' | 'InferenceSession' | 'Tensor'>;

/** A worker has one ONNX Runtime. */
let loaded: Runtime | undefined;

/** What {@link loadRuntime} has loaded in this worker. Throws where it has not yet. */
export function loadedRuntime(): Runtime {
  if (!loaded) throw new Error('ONNX Runtime is used before it was loaded');
  return loaded;
}

const programs: Readonly<Record<Backend, string>> = { wasm: wasmUrl, webgpu: webGpuUrl };

/**
 * Loads the build of ONNX Runtime for a backend: WASM alone is half the size of the one that has WebGPU. The only import
 * of onnxruntime-web in the demo. The program is fetched here, because ONNX Runtime does not say how far it is.
 *
 * @param threads of WASM.
 */
export async function loadRuntime(
  backend: Backend,
  threads: number,
  { base, onProgress }: DownloadOptions,
): Promise<Runtime> {
  const program = { url: new URL(programs[backend], import.meta.url).href, bytes: WASM_BYTES[backend] };
  const [ort, bytes] = await Promise.all([
    backend === 'webgpu' ? import('onnxruntime-web/webgpu') : import('onnxruntime-web/wasm'),
    download(program, { base, onProgress: (_, loaded) => onProgress(runtimeName, loaded) }),
  ]);
  ort.env.wasm.wasmBinary = bytes.buffer;
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  loaded = ort;
  return ort;
}
