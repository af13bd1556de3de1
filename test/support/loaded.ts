import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const dataUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`;
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Notes the address of every module that a process imports in the file LOADED_MODULES. */
const hook = `
  import { appendFileSync } from 'node:fs';
  export async function load(url, context, nextLoad) {
    appendFileSync(process.env.LOADED_MODULES, url + '\\n');
    return nextLoad(url, context);
  }`;

/** Notes, when the process ends, what it required and which native libraries it holds. */
const preload = `
  import { appendFileSync } from 'node:fs';
  import { createRequire, register } from 'node:module';
  import { pathToFileURL } from 'node:url';
  register(${JSON.stringify(dataUrl(hook))});
  const required = createRequire(${JSON.stringify(pathToFileURL(join(root, 'package.json')).href)}).cache;
  process.on('exit', () => {
    const files = [...Object.keys(required), ...process.report.getReport().sharedObjects];
    appendFileSync(process.env.LOADED_MODULES, files.map((file) => pathToFileURL(file) + '\\n').join(''));
  });`;

/**
 * The addresses of every module and native library that a Node process loads. It runs from source, in the folder of the
 * package.
 *
 * @param args of node: a file with its arguments, or `--input-type=module -e CODE`.
 */
export async function loadedBy(args: readonly string[]): Promise<ReadonlySet<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'sparring-loaded-'));
  const list = join(folder, 'list');
  try {
    const node = ['--import', dataUrl(preload), '--import', tsx, ...args];
    await promisify(execFile)(process.execPath, node, {
      cwd: root,
      env: { ...process.env, LOADED_MODULES: list },
    });
    return new Set((await readFile(list, 'utf8')).split('\n'));
  } finally {
    await rm(folder, { recursive: true });
  }
}
