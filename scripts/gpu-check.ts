import { Command, Option } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { count } from '../src/cli/options.ts';
import { environment } from '../src/cli/version.ts';
import { writeAtomic } from '../src/runtime/files.ts';
import { useSoftwareVulkan } from '../test/support/vulkan.ts';
import { grace, runLimited, type Ending } from './gpu-check/part.ts';
import { limitOf, partsFor, usualBudget, type Part } from './gpu-check/parts.ts';

const command = new Command('gpu-check')
  .description(
    'Finds out what there is to know of a machine with an NVIDIA GPU, part by part, and leaves a JSON file for each.',
  )
  .requiredOption('--out <dir>', 'folder for the JSON files, and for run folders below runs/')
  .option('--python <path>', 'interpreter that can import torch, to compare with')
  .option('--budget <seconds>', 'ends within so many seconds', count, usualBudget)
  .addOption(
    new Option('--device <name>', 'cpu is a rehearsal: the CPU takes the place of CUDA')
      .choices(['cuda', 'cpu'])
      .default('cuda' as const),
  )
  .parse();
const { out, python, budget, device } = command.opts();

/** Seconds since this process began. */
const seconds = (): number => performance.now() / 1000;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** What a program prints, or null when it does not run here. */
const asked = async (file: string, ...args: readonly string[]): Promise<string | null> =>
  await promisify(execFile)(file, args, { timeout: 60_000 }).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );

const torchOf = async (
  path: string,
): Promise<{ readonly version: string; readonly cuda: boolean } | null> => {
  const code =
    'import json, torch; print(json.dumps({"version": torch.__version__, "cuda": torch.cuda.is_available()}))';
  const answer = await asked(path, '-c', code);
  return answer === null ? null : (JSON.parse(answer) as { version: string; cuda: boolean });
};

const folder = resolve(out);
await mkdir(folder, { recursive: true });
if ((await readdir(folder)).length > 0)
  command.error(`error: --out ${out} is not empty; name a new folder`, { exitCode: 2 });
const scratch = await mkdtemp(join(tmpdir(), 'sparring-gpu-check-'));
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
// without a GPU, Vulkan in software takes its place
if (device === 'cpu') useSoftwareVulkan();

const torch = python === undefined ? null : await torchOf(python);
const noTorch =
  python === undefined
    ? 'it needs PyTorch, and there is no --python'
    : torch === null
      ? `--python ${python} cannot import torch`
      : device === 'cuda' && !torch.cuda
        ? `PyTorch ${torch.version} of --python finds no CUDA`
        : null;
const own = await environment({ device, threads: availableParallelism() });
const about = {
  ...own,
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  gpus:
    (
      await asked('nvidia-smi', '--query-gpu=name,driver_version,memory.total', '--format=csv,noheader')
    )?.split('\n') ?? null,
  torch,
};
say(JSON.stringify(about));

const here = (script: Part['script']): string =>
  fileURLToPath(new URL(`../${script}${extname(import.meta.url)}`, import.meta.url));
/** The command as it may be published: folders of this machine by what they are for. */
const shown = ({ script, args }: Part): string =>
  [script, ...args]
    .join(' ')
    .replaceAll(scratch, 'SCRATCH')
    .replaceAll(folder, 'OUT')
    .replaceAll(python ?? '\n', 'PYTHON');

async function run(
  part: Part,
  behind: readonly Part[],
): Promise<
  Omit<Ending, 'stdout'> | { readonly status: 'skipped'; readonly error: string; readonly seconds: 0 }
> {
  const skipped = (error: string) => ({ status: 'skipped', error, seconds: 0 }) as const;
  const limit = limitOf(part, behind, budget, budget - seconds() - grace);
  const reason =
    part.skip ?? (stop.signal.aborted ? 'it was stopped before' : limit < 1 ? 'no time is left' : null);
  const line = [process.execPath, ...process.execArgv, here(part.script), ...part.args];
  const { stdout, ...ending } =
    reason === null ? await runLimited(line, limit, stop.signal) : { ...skipped(reason), stdout: '' };
  const result = await part.result(stdout).catch((error: Error) => `it cannot be read: ${error.message}`);
  const document = {
    schema: 1,
    part: part.name,
    command: shown(part),
    limit: Math.round(limit),
    ...ending,
    result,
    environment: about,
  };
  await writeAtomic(join(folder, `${part.name}.json`), `${JSON.stringify(document, null, 2)}\n`);
  return ending;
}

const table = new Table({ head: ['part', 'ended', 'seconds', 'why'], style: { head: [], border: [] } });
const summary: object[] = [];
try {
  const parts = partsFor({ device, python, noTorch, runs: join(folder, 'runs'), scratch });
  for (const [i, part] of parts.entries()) {
    const ending = await run(part, parts.slice(i + 1));
    const why = ending.error?.split('\n').at(-1) ?? '';
    say(`${part.name}: ${ending.status} after ${ending.seconds} s${why && `: ${why}`}`);
    table.push([part.name, ending.status, ending.seconds, why.slice(0, 80)]);
    summary.push({ part: part.name, ...ending });
    const document = {
      schema: 1,
      seconds: Math.round(seconds()),
      budget,
      parts: summary,
      environment: about,
    };
    await writeAtomic(join(folder, 'summary.json'), `${JSON.stringify(document, null, 2)}\n`);
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
console.log(table.toString());
console.log(`${seconds().toFixed(0)} of ${budget} s; ${join(out, 'summary.json')}`);
