import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** ONNX Runtime's CUDA provider, as far as it is installed. */
export const cudaLibraries = [
  'libonnxruntime_providers_shared.so',
  'libonnxruntime_providers_cuda.so',
] as const;

/** Where onnxruntime-node looks for {@link cudaLibraries}: beside its own library. */
export function cudaFolder(): string {
  const manifest = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return join(dirname(manifest), 'bin', 'napi-v6', 'linux', 'x64');
}

/** The libraries that the installed CUDA provider needs and the machine lacks, as `ldd` sees it; none without `ldd`. */
export async function missingCudaLibraries(): Promise<readonly string[]> {
  const provider = join(cudaFolder(), cudaLibraries[1]);
  const { stdout } = await promisify(execFile)('ldd', [provider]).catch(() => ({ stdout: '' }));
  return stdout
    .split('\n')
    .flatMap((line) => (line.includes('not found') ? [line.trim().split(' ', 1)[0]!] : []));
}

/**
 * What to install for these libraries: the driver brings libcuda, the CUDA toolkit or its runtime packages the others,
 * in the version that the names end with.
 */
export function remedyFor(missing: readonly string[]): string {
  const driver = missing.includes('libcuda.so.1');
  const others = missing.filter((name) => name !== 'libcuda.so.1');
  const version = /\.so\.(1[2-9])$/.exec(others.find((name) => /cublas|cudart/.test(name)) ?? '')?.[1];
  const libraries = `the libraries of CUDA${version ? ` ${version}` : ''} (cuBLAS, cuRAND, CUDA runtime)`;
  return `install ${[...(driver ? ['the NVIDIA driver'] : []), ...(others.length > 0 ? [libraries] : [])].join(' and ')}`;
}
