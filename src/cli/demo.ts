import { lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { describeFsError, makeFolder } from '../runtime/files.ts';
import { InputError } from '../runtime/index.ts';
import { bytesOf, loadCatalogue, manifestOf, type Catalogue } from '../server/index.ts';
import { demoFolder } from './demo-folder.ts';
import { withDemoModels } from './demo-models.ts';
import { folder } from './options.ts';

/** `sparring demo`: the demo of a run as a folder for any file host. */
export function demoCommand() {
  return new Command('demo')
    .description('Write the demo of a run as a folder that any file host can serve.')
    .option('--run <dir>', 'run folder', folder, 'runs/latest')
    .option('--out <dir>', 'folder to make', folder, 'demo')
    .action(async ({ run, out }) => {
      if (await lstat(out).catch(() => null)) {
        throw new InputError(`${out} exists; choose another --out, or remove it first`);
      }
      const catalogue = await loadCatalogue(run);
      const partial = `${out}.${process.pid}`;
      // made before the work, which takes a while
      await makeFolder(partial).catch((error: unknown) => {
        throw new InputError((error as Error).message, { cause: error });
      });
      const write = async (): Promise<number> => {
        const total = await writeDemo(await withDemoModels(catalogue), await demoFolder(), partial);
        await rename(partial, out);
        return total;
      };
      const bytes = await write().catch(async (error: unknown) => {
        await rm(partial, { recursive: true, force: true });
        throw new Error(describeFsError(error, `cannot write ${out}`), { cause: error });
      });
      console.log(`${out}: ${(bytes / 1e6).toFixed(0)} MB, for any file server`);
    });
}

/** Copies the page, the models, and the manifest. Gives the number of bytes. */
async function writeDemo(catalogue: Catalogue, page: string, into: string): Promise<number> {
  let total = 0;
  const write = async (name: string, data: Uint8Array): Promise<void> => {
    const path = join(into, name);
    await makeFolder(dirname(path));
    await writeFile(path, data);
    total += data.length;
  };
  const entries = await readdir(page, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((e) => e.isFile())) {
    const path = join(entry.parentPath, entry.name);
    await write(path.slice(page.length), await readFile(path));
  }
  const { server: _, ...manifest } = manifestOf(catalogue);
  for (const [i, { models }] of manifest.cells.entries()) {
    for (const [name, { url }] of Object.entries(models)) {
      const model = catalogue.cells[i]!.models[name as keyof typeof models]!;
      await write(new URL(url, 'file:///').pathname.slice(1), await bytesOf(model));
    }
  }
  await write('models.json', new TextEncoder().encode(JSON.stringify(manifest)));
  return total;
}
