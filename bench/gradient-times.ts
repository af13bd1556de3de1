import Table from 'cli-table3';
import { execFile, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commit } from '../src/cli/version.ts';
import { torchEnvironment } from './sides.ts';
import { median } from './timing.ts';

/** What is timed, and how often. */
export interface GradientOptions {
  /** An interpreter that can import torch, torchvision and onnx. */
  readonly python: string;
  readonly threads: number;
  /** In each, every side has a turn. */
  readonly rounds: number;
  /** Only networks whose name begins so. */
  readonly only?: string;
  /** Only these batch sizes. */
  readonly batches?: readonly number[];
  /** Where the exported networks are, or go; a folder that is removed when absent. */
  readonly folder?: string;
}

/** Networks of gradients_peer.py, with runs a turn. */
const plan: readonly (readonly [network: string, batch: number, runs: number])[] = [
  ['resnet18@224', 1, 20],
  ['resnet18@224', 8, 6],
  ['mobilenet_v2@224', 1, 30],
  ['mobilenet_v2@224', 8, 8],
  ['mobilenet_v3_small@224', 1, 30],
  ['resnet18@32', 1, 60],
  ['resnet18@32', 100, 10],
  ['mobilenet_v2@32', 1, 60],
  ['mobilenet_v2@32', 100, 12],
  ['resnext50_32x4d@64', 8, 8],
  ['densenet121@32', 32, 10],
  ['small_residual@32', 1, 100],
  ['small_residual@32', 100, 20],
  ['small_gelu@32', 32, 100],
  ['lenet@28', 1, 100],
  ['lenet@28', 100, 40],
];
const warmUp = 3;

const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
/**
 * A classifier's forward pass and the gradient of its loss in the images, beside PyTorch. Each side has the machine to itself:
 * its process starts, warms up, is timed and ends before the next one starts. Prints a table and gives the figures.
 */
export async function timeGradients(options: GradientOptions) {
  const { python, only = '' } = options;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'sparring-gradients-')));
  await mkdir(folder, { recursive: true });
  try {
    await promisify(execFile)(python, [beside('gradients_peer.py'), 'save', folder, only]);
    return await compare(folder, options);
  } finally {
    if (!options.folder) await rm(folder, { recursive: true, force: true });
  }
}

async function compare(folder: string, { python, threads, rounds, only = '', batches }: GradientOptions) {
  const tsx = createRequire(import.meta.url).resolve('tsx');
  const ours = [process.execPath, '--import', tsx, beside('gradients_peer.ts'), folder, String(threads)];
  const theirs = [python, beside('gradients_peer.py'), 'run', String(threads)];
  const sides = [
    { name: 'Sparring', command: ours, form: 'cpu' },
    { name: 'PyTorch', command: theirs, form: 'contiguous' },
    { name: 'PyTorch, channels last', command: theirs, form: 'channels_last' },
  ] as const;
  const rows = [];
  for (const [network, batch, runs] of plan) {
    if (!network.startsWith(only) || (batches && !batches.includes(batch))) continue;
    const times: number[][] = sides.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, side] of sides.entries()) {
        times[i]!.push(median(await alone(side.command, [network, side.form, batch], { runs, threads })));
      }
    }
    // of each round its own ratio: what disturbs a machine for minutes disturbs both sides
    const ratios = times.map((own) => median(own.map((ms, round) => times[0]![round]! / ms)));
    rows.push({ network, batch, milliseconds: times.map(median), ratios });
    process.stderr.write(`${network}, batch ${batch}: ${ratios.slice(1).map((r) => r.toFixed(2)).join(', ')}\n`); // prettier-ignore
  }
  const table = new Table({
    head: ['network', 'batch', 'Sparring', ...sides.slice(1).flatMap(({ name }) => [name, 'ratio'])],
    style: { head: [], border: [] },
  });
  for (const { network, batch, milliseconds, ratios } of rows) {
    const [us, ...others] = milliseconds.map((ms) => `${ms.toFixed(2)} ms`);
    table.push([network, batch, us!, ...others.flatMap((ms, i) => [ms, `${ratios[i + 1]!.toFixed(2)}x`])]);
  }
  console.log(table.toString());
  const environment = {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    node: process.versions.node,
    threads,
    rounds,
    commit: (await commit()) ?? 'not a checkout',
  };
  return { schema: 1, environment, sides: sides.map(({ name }) => name), rows };
}

/** Milliseconds of each run of a job in a process that does nothing else. Throws with the last line of what it said. */
async function alone(
  [file, ...args]: readonly string[],
  job: readonly (string | number)[],
  { runs, threads }: { readonly runs: number; readonly threads: number },
): Promise<readonly number[]> {
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'pipe'], env: torchEnvironment(threads) });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  child.stdin.end(`time ${job.join(' ')} ${warmUp}\ntime ${job.join(' ')} ${runs}\n`);
  const ended = new Promise((resolve) => child.on('close', resolve));
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) lines.push(line);
  await ended;
  if (lines.length !== 3) throw new Error(`${file}: ${said.trim().split('\n').at(-1)}`);
  return JSON.parse(lines[2]!) as readonly number[];
}
