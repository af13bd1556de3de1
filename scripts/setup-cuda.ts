import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cudaFolder, cudaLibraries, missingCudaLibraries, remedyFor } from '../src/runtime/devices/cuda.ts';

/**
 * `pnpm setup:cuda`: puts ONNX Runtime's CUDA provider for CUDA 13 beside onnxruntime-node. It comes from an npm package
 * that carries the libraries of the same ONNX Runtime version; cuBLAS, cuRAND and the CUDA runtime come with the CUDA 13
 * toolkit or driver packages of the machine. For CUDA 12 run onnxruntime-node's own install script instead.
 */
const source = {
  name: 'com.github.asus4.onnxruntime.linux-x64-gpu',
  version: '0.4.9',
  onnxruntime: '1.29.0',
};

const run = promisify(execFile);

async function setup(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      `CUDA is for Linux x64 only, this is ${process.platform} ${process.arch}; use --device webgpu`,
    );
  }
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  if (version !== source.onnxruntime) {
    throw new Error(
      `onnxruntime-node is ${version}, the provider is for ${source.onnxruntime}; they must be the same`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'sparring-cuda-'));
  try {
    await run('npm', ['pack', `${source.name}@${source.version}`, '--silent'], { cwd: folder });
    const [archive] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    await run('tar', ['-xzf', archive!], { cwd: folder });
    const files = await readdir(folder, { recursive: true });
    for (const library of cudaLibraries) {
      const found = files.find((file) => file.endsWith(`/${library}`));
      if (!found) throw new Error(`${source.name}@${source.version} holds no ${library}`);
      await copyFile(join(folder, found), join(cudaFolder(), library));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const missing = await missingCudaLibraries();
  return missing.length === 0
    ? 'the CUDA provider is installed; see: pnpm devices'
    : `the CUDA provider is installed, but the machine lacks ${missing.join(', ')}: ${remedyFor(missing)}`;
}

try {
  console.log(await setup());
} catch (error) {
  console.error(`setup:cuda: ${(error as Error).message.split('\n', 1)[0]}`);
  process.exitCode = 1;
}
