import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { commandLine } from '../src/cli/command-line.ts';

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const bin = fileURLToPath(new URL('../src/cli/bin.ts', import.meta.url));

/** Runs a command of sparring, which shows its progress and errors. Throws where it does not end with exit code 0. */
export async function sparring(words: readonly string[]): Promise<void> {
  console.error(commandLine(...words));
  const child = spawn(process.execPath, ['--import', tsx, bin, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`exit code ${code} of ${commandLine(...words)}`);
}
