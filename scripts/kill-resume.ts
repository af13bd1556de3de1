import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { count } from '../src/cli/options.ts';
import { stream } from '../src/runtime/index.ts';

const command = new Command('kill-resume')
  .description(
    'Trains a run undisturbed, then one that is killed at random moments and resumed; compares all bits.',
  )
  .requiredOption('--out <dir>', 'folder for the two runs, whole and killed')
  .option('--kills <n>', 'how often to kill', count, 5)
  .option('--seed <n>', 'seed of the moments', count, 1)
  .argument('<options...>', 'options of sparring train, after --')
  .parse();
const { out, kills, seed } = command.opts();
const options = command.processedArgs[0];

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const bin = fileURLToPath(new URL('../src/cli/bin.ts', import.meta.url));

/** Runs `sparring train`, killed after so many milliseconds. True when it came to its end. */
async function train(args: readonly string[], killAfter?: number): Promise<boolean> {
  const child = spawn(process.execPath, ['--import', tsx, bin, 'train', ...args], { stdio: 'ignore' });
  const ended = new Promise<boolean>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(false);
      else if (code === 0) resolve(true);
      else reject(new Error(`sparring train ${args.join(' ')}: exit code ${code}`));
    });
  });
  if (killAfter !== undefined) {
    await Promise.race([sleep(killAfter), ended]);
    child.kill('SIGKILL');
  }
  return await ended;
}

/** Every file of a run with its hash, but for the environment in `result.json`, and `report.html`, which shows it. */
async function contentOf(run: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(run, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name !== 'report.html')
    .map((entry) => join(entry.parentPath, entry.name));
  const content = new Map<string, string>();
  for (const file of files.sort()) {
    const bytes = await readFile(file);
    const compared = file.endsWith('result.json')
      ? JSON.stringify({ ...(JSON.parse(bytes.toString()) as object), environment: null })
      : bytes;
    content.set(file.slice(run.length + 1), createHash('sha256').update(compared).digest('hex'));
  }
  return content;
}

const [whole, killed] = [join(out, 'whole'), join(out, 'killed')];
const started = performance.now();
await train([...options, '--out', whole]);
const took = performance.now() - started;
console.log(`undisturbed: ${(took / 1000).toFixed(0)} s`);

const random = stream(seed, 'kills');
for (let n = 1; n <= kills; n++) {
  const after = (took * random.uniform()) / (kills / 2);
  const begun = existsSync(join(killed, 'config.json'));
  const ended = await train(begun ? ['--resume', killed] : [...options, '--out', killed], after);
  const files = ended
    ? 'it had ended'
    : `${(await contentOf(killed).catch(() => new Map())).size} files there`;
  console.log(`kill ${n} after ${(after / 1000).toFixed(1)} s: ${files}`);
}
await train(['--resume', killed]);

const [one, other] = [await contentOf(whole), await contentOf(killed)];
const names = [...new Set([...one.keys(), ...other.keys()])];
const different = names.filter((name) => one.get(name) !== other.get(name));
console.log(`${names.length} files, ${different.length} differ`);
for (const name of different) console.log(name);
process.exitCode = different.length > 0 ? 1 : 0;
