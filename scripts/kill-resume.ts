import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { count } from '../src/cli/options.ts';
import { stream } from '../src/runtime/index.ts';

const command = new Command('kill-resume')
  .description(
    'Runs a command undisturbed; then the same, killed at random moments and resumed. Compares all bits.',
  )
  .requiredOption('--out <dir>', 'folder for the two, whole and killed; it must not exist')
  .option('--kills <n>', 'how often to kill', count, 5)
  .option('--seed <n>', 'seed of the moments', count, 1)
  .argument('<words...>', 'train, audit, harden or train-attacker with its options but --out, after --')
  .parse();
const { out, kills, seed } = command.opts();
const [name, ...options] = command.processedArgs[0];

/** The arguments of each command that begin what writes into a folder, or resume what is begun there. */
const wordsFor: Readonly<Record<string, (folder: string) => readonly string[]>> = {
  train: (folder) =>
    existsSync(join(folder, 'config.json')) ? ['--resume', folder] : [...options, '--out', folder],
  // it finds its parts by itself
  audit: (folder) => [...options, '--out', folder],
  harden: (folder) => [
    ...options,
    '--out',
    join(folder, 'model.onnx'),
    ...(existsSync(join(folder, 'model.checkpoint')) ? ['--resume'] : []),
  ],
  // it finds its checkpoint by itself
  'train-attacker': (folder) => [...options, '--out', join(folder, 'attacker.onnx')],
};
const words = wordsFor[name!];
if (!words) command.error(`kill-resume: ${name} is none of ${Object.keys(wordsFor).join(', ')}`);
if (existsSync(out)) command.error(`kill-resume: --out ${out} exists; choose another`);

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const bin = fileURLToPath(new URL('../src/cli/bin.ts', import.meta.url));

/** Runs the command on a folder, killed after so many milliseconds. True when it came to its end. */
async function run(folder: string, killAfter?: number): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  const args = [name!, ...words!(folder)];
  const child = spawn(process.execPath, ['--import', tsx, bin, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => (said = `${said}${text}`.slice(-2000)));
  const ended = new Promise<boolean>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(false);
      else if (code === 0) resolve(true);
      else reject(new Error(`sparring ${args.join(' ')}: exit code ${code}\n${said}`));
    });
  });
  if (killAfter !== undefined) {
    await Promise.race([sleep(killAfter, undefined, { ref: false }), ended]);
    child.kill('SIGKILL');
  }
  return await ended;
}

/** What a document says of the process that wrote it. */
const own: Readonly<Record<string, object>> = {
  'result.json': { environment: null },
  'audit.json': { timing: null, command: null },
  'model.harden.json': { environment: null, command: null },
};

/** Every file with its hash, but for what says who wrote it, and the pages that show it. */
async function contentOf(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !/\.(html|md)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  const content = new Map<string, string>();
  for (const file of files.sort()) {
    const bytes = await readFile(file);
    const without = own[basename(file)];
    const compared = without
      ? JSON.stringify({ ...(JSON.parse(bytes.toString()) as object), ...without })
      : bytes;
    content.set(file.slice(folder.length + 1), createHash('sha256').update(compared).digest('hex'));
  }
  return content;
}

const [whole, killed] = [join(out, 'whole'), join(out, 'killed')];
const started = performance.now();
await run(whole);
const took = performance.now() - started;
const content = await contentOf(whole);
console.log(`undisturbed: ${(took / 1000).toFixed(0)} s, ${content.size} files`);

/** The files that are not as in the undisturbed folder. */
async function differing(): Promise<readonly string[]> {
  const other = await contentOf(killed);
  return [...new Set([...content.keys(), ...other.keys()])].filter(
    (file) => content.get(file) !== other.get(file),
  );
}

/** Compares what came to its end in spite of kills, and says what differs. */
async function compare(): Promise<void> {
  const different = await differing();
  console.log(`ended: ${different.length} files differ`);
  for (const file of different) console.log(file);
  if (different.length > 0) process.exitCode = 1;
}

const random = stream(seed, 'kills');
for (let done = 0; done < kills;) {
  const after = took * random.uniform();
  // it may have written all when it was killed
  if ((await run(killed, after)) || (await differing()).length === 0) {
    // the kills that remain fall on one that begins anew
    await compare();
    await rm(killed, { recursive: true });
    continue;
  }
  done++;
  const files = (await readdir(killed)).join(', ') || 'no file';
  console.log(`kill ${done} after ${(after / 1000).toFixed(1)} s: ${files}`);
}
await run(killed);
await compare();
