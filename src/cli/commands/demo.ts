import { lstat, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Command, InvalidArgumentError } from '@commander-js/extra-typings';
import { describeFsError, makeFolder } from '../../runtime/files.ts';
import { InputError } from '../../runtime/index.ts';
import { bytesOf, loadCatalogue, manifestOf, type Catalogue } from '../../server/index.ts';
import { demoFolder } from '../experiment/demo-folder.ts';
import { withDemoModels } from '../experiment/demo-models.ts';
import { pageFiles } from '../experiment/demo-page.ts';
import { folder } from '../options.ts';

/** `sparring demo`: the demo of a run as a folder for any file host. */
export function demoCommand() {
  return new Command('demo')
    .description('Write the demo of a run as a folder that any file host can serve.')
    .option('--run <dir>', 'run folder', folder, 'runs/latest')
    .option('--out <dir>', 'folder to make', folder, 'demo')
    .option('--url <address>', 'where the page will be found, for previews of shared links', pageAddress)
    .action(async ({ run, out, url }) => {
      if (await lstat(out).catch(() => null)) {
        throw new InputError(`${out} exists; choose another --out, or remove it first`);
      }
      const trained = await loadCatalogue(run);
      const partial = `${out}.${process.pid}`;
      // made before the work, which takes a while
      await makeFolder(partial).catch((error: unknown) => {
        throw new InputError((error as Error).message, { cause: error });
      });
      const write = async (): Promise<number> => {
        const catalogue = await withDemoModels(trained);
        const page = await demoFolder();
        const files = await pageFiles(run, catalogue, page, url ?? null);
        const total = await writeDemo(catalogue, page, files, partial);
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

/** An address as the base of others: with `/` at its end. */
function pageAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new InvalidArgumentError(`It must begin with http:// or https://, got ${text}.`);
  }
  return new URL(url.pathname.replace(/\/*$/, '/'), url).href;
}

/** Copies the page, the models, the manifest, and the files made for this run. Gives the number of bytes. */
async function writeDemo(
  catalogue: Catalogue,
  page: string,
  files: ReadonlyMap<string, Uint8Array>,
  into: string,
): Promise<number> {
  let total = 0;
  const write = async (name: string, data: Uint8Array): Promise<void> => {
    const path = join(into, name);
    await makeFolder(dirname(path));
    await writeFile(path, data);
    total += data.length;
  };
  const entries = await readdir(page, { recursive: true, withFileTypes: true });
  const names = new Set(
    entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name).slice(page.length)),
  );
  for (const name of names) {
    if (files.has(name)) continue;
    const bytes = await readFile(join(page, name));
    await write(name, bytes);
    const unpacked = name.replace(/\.gz$/, '');
    // the package has some files in this form only
    if (unpacked !== name && !names.has(unpacked)) await write(unpacked, await promisify(gunzip)(bytes));
  }
  for (const [name, data] of files) await write(name, data);
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
