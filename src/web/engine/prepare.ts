import { loadRuntime, type Runtime } from './ort.ts';
import type { StartRequest } from './protocol.ts';
import { BackendError } from './sessions.ts';
import type { DownloadOptions } from './store.ts';
import { checkWebGpu } from './webgpu.ts';

/**
 * Loads ONNX Runtime for a worker.
 *
 * @throws BackendError when there is no WebGPU; Error in one line when the program cannot be fetched.
 */
export async function prepare(
  { backend, threads, base }: StartRequest,
  onProgress: DownloadOptions['onProgress'],
): Promise<Runtime> {
  if (backend === 'webgpu') {
    // before 26 MB are fetched for nothing
    await checkWebGpu().catch((error: unknown) => {
      throw new BackendError(lineOf(error));
    });
  }
  return await loadRuntime(backend, threads, { base, onProgress });
}

/** What went wrong, in one line. */
export const lineOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0]!;
