// Writes graphs/ from the models, or with --check says which of its files are not what the models give.
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { writeAtomic } from '../src/runtime/files.ts';
import { emitGraphs } from './emit.ts';

const folder = fileURLToPath(new URL('../graphs/', import.meta.url));

async function write(): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [file, bytes] of emitGraphs()) {
    await writeAtomic(`${folder}${file}`, bytes);
    console.log(`graphs/${file}: ${bytes.length} bytes`);
  }
}

/** One line per file that is missing, other than emitted, or not emitted at all. */
async function differences(): Promise<readonly string[]> {
  const emitted = emitGraphs();
  const found = await readdir(folder).catch((): string[] => []);
  const lines = found.filter((file) => !emitted.has(file)).map((file) => `graphs/${file}: of no program`);
  for (const [file, bytes] of emitted) {
    if (!found.includes(file)) lines.push(`graphs/${file}: missing`);
    else if (!(await readFile(`${folder}${file}`)).equals(bytes)) lines.push(`graphs/${file}: differs`);
  }
  return lines;
}

const { check } = new Command('graphs')
  .description('Writes the programs of src/models/programs.ts into graphs/.')
  .option('--check', 'write nothing; exit 1 with a line per file that differs')
  .parse()
  .opts();

if (check) {
  const lines = await differences();
  for (const line of lines) console.error(`${line}; run pnpm graphs, look at the change and commit it`);
  process.exitCode = lines.length > 0 ? 1 : 0;
} else {
  await write();
}
