import { execFile } from 'node:child_process';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The root of this checkout. */
export const root: string = fileURLToPath(new URL('../../', import.meta.url));
/** The script of TypeScript's compiler. */
export const tsc: string = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

/** Makes a folder the package as it is built, without the demo: package.json, dist, and what it depends on. */
export async function buildPackage(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  const config = join(root, 'tsconfig.build.json');
  await promisify(execFile)(process.execPath, [tsc, '-p', config, '--outDir', join(folder, 'dist')]);
}
