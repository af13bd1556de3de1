import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { count } from '../src/cli/options.ts';
import { stream } from '../src/runtime/index.ts';

const command = new Command('kill-resume')
  .description(
    'Trains a run, or audits, undisturbed; then the same, killed at random moments and resumed. Compares all bits.',
  )
  .requiredOption('--out <dir>', 'folder for the two, whole and killed')
  .option('--kills <n>', 'how often to kill', count, 5)
  .option('--seed <n>', 'seed of the moments', count, 1)
  .argument('<options...>', 'train or audit with its options, after --')
  .parse();
const { out, kills, seed } = command.opts();
const [name, ...options] = command.processedArgs[0];

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const bin = fileURLToPath(new URL('../src/cli/bin.ts', import.meta.url));

/** Runs the command, killed after so many milliseconds. True when it came to its end. */
async function run(args: readonly string[], killAfter?: number): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', tsx, bin, name!, ...args], { stdio: 'ignore' });
  const ended = new Promise<boolean>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(false);
      else if (code === 0) resolve(true);
      else reject(new Error(`sparring ${name} ${args.join(' ')}: exit code ${code}`));
    });
  });
  if (killAfter !== undefined) {
    await Promise.race([sleep(killAfter), ended]);
    child.kill('SIGKILL');
  }
  return await ended;
}

/** What a document says of the process that wrote it. */
const own: Readonly<Record<string, object>> = {
  'result.json': { environment: null },
  'audit.json': { timing: null, command: null },
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
await run([...options, '--out', whole]);
const took = performance.now() - started;
console.log(`undisturbed: ${(took / 1000).toFixed(0)} s`);

const afresh = [...options, '--out', killed];
// an audit finds its parts by itself
const again = name === 'train' ? ['--resume', killed] : afresh;
const random = stream(seed, 'kills');
for (let n = 1; n <= kills; n++) {
  // an audit that came to its end begins anew
  const after = name === 'train' ? (took * random.uniform()) / (kills / 2) : took * random.uniform();
  const begun = existsSync(join(killed, 'config.json'));
  const ended = await run(begun ? again : afresh, after);
  const files = ended
    ? 'it had ended'
    : `${(await contentOf(killed).catch(() => new Map())).size} files there`;
  console.log(`kill ${n} after ${(after / 1000).toFixed(1)} s: ${files}`);
}
await run(again);

const [one, other] = [await contentOf(whole), await contentOf(killed)];
const names = [...new Set([...one.keys(), ...other.keys()])];
const different = names.filter((name) => one.get(name) !== other.get(name));
console.log(`${names.length} files, ${different.length} differ`);
for (const name of different) console.log(name);
process.exitCode = different.length > 0 ? 1 : 0;
