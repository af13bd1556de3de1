import { existsSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/**
 * The folder of the built demo. It comes with the package; a checkout builds it when it is missing or older than its
 * sources.
 */
export async function demoFolder(): Promise<string> {
  const folder = path('../../../dist/web/');
  const config = path('../../../vite.config.ts');
  const checkout = existsSync(config);
  if (checkout && (await newest(path('../../../src/web/'))) > (await time(join(folder, 'index.html')))) {
    process.stderr.write('building the demo\n');
    await buildInto(folder, config);
  }
  return folder;
}

/** Builds beside the folder and then takes its place: another process may be reading or building it too. */
async function buildInto(folder: string, configFile: string): Promise<void> {
  const { build } = await import('vite');
  const outDir = `${folder.replace(/[/\\]$/, '')}-${process.pid}`;
  await build({ configFile, logLevel: 'error', build: { outDir } });
  await rm(folder, { recursive: true, force: true });
  // where another has put its own in between, that one is as good
  await rename(outDir, folder).catch(() => rm(outDir, { recursive: true, force: true }));
}

const time = async (file: string): Promise<number> =>
  (await stat(file).catch(() => null))?.mtimeMs ?? -Infinity;

async function newest(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const times = await Promise.all(entries.map((entry) => time(join(entry.parentPath, entry.name))));
  return Math.max(...times);
}
