import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Device } from '../../src/runtime/index.ts';

/** One measurement: a command of this project, and where it leaves what it found. */
export interface Part {
  /** Also the name of its JSON file. */
  readonly name: string;
  /** A script of this checkout, without its ending. */
  readonly script: 'src/cli/bin' | 'scripts/loss-curves' | 'bench/bench';
  readonly args: readonly string[];
  /** Seconds of a budget of {@link usualBudget}; null for as long as the parts behind it leave. */
  readonly limit: number | null;
  /** Why it cannot run here; null where it can. */
  readonly skip: string | null;
  /** What it found, so far as it came. */
  readonly result: (stdout: string) => Promise<unknown>;
}

/** Seconds that the limits of the parts are for. */
export const usualBudget = 540;

/** What the parts are made for. */
export interface Setting {
  /** `cpu` is the rehearsal: the CPU takes the place of CUDA. */
  readonly device: Extract<Device, 'cuda' | 'cpu'>;
  readonly python: string | undefined;
  /** Why PyTorch cannot take part; null where it can. */
  readonly noTorch: string | null;
  /** For run folders, which are large. */
  readonly runs: string;
  /** For what the commands write, until it is part of the JSON. */
  readonly scratch: string;
}

/** Everything to find out on a GPU, the most important first. */
export function partsFor({ device, python, noTorch, runs, scratch }: Setting): readonly Part[] {
  const torch = noTorch === null && python !== undefined ? ['--python', python] : [];
  const curves = (name: string, of: string, ...args: readonly string[]): Part =>
    written(name, 'scripts/loss-curves', 30, [
      '--of',
      of,
      '--steps',
      '30',
      '--threads',
      String(availableParallelism()),
      ...args,
    ]);
  const bench = (name: string, limit: number, skip: string | null, ...args: readonly string[]): Part => ({
    ...written(name, 'bench/bench', limit, ['--rounds', '3', ...args]),
    skip,
  });
  const written = (name: string, script: Part['script'], limit: number, args: readonly string[]): Part => {
    const out = join(scratch, `${name}.json`);
    const result = async (): Promise<unknown> =>
      existsSync(out) ? (JSON.parse(await readFile(out, 'utf8')) as unknown) : null;
    return { name, script, args: [...args, '--out', out], limit, skip: null, result };
  };
  const train = (name: string, limit: number | null, ...args: readonly string[]): Part => {
    const out = join(runs, name);
    return {
      name,
      script: 'src/cli/bin',
      args: ['train', ...args, '--device', device, '--out', out],
      limit,
      skip: null,
      result: () => runAsFar(out),
    };
  };
  const beside = device === 'cuda' ? 'cuda' : 'cuda-forms';
  // TF32 has a mantissa of 10 bits, and alternating training amplifies differences
  const side = ['--batch', '100', '--on', beside, '--tolerance', '0.05'];
  const both = ['--batch', '100', '400', '--device', device];
  const paper = ['--preset', 'paper', '--seed', '1'];
  return [
    {
      name: 'devices',
      script: 'src/cli/bin',
      args: ['devices', '--json'],
      limit: 30,
      skip: null,
      result: async (stdout) => (stdout.trim() === '' ? null : (JSON.parse(stdout) as unknown)),
    },
    curves('curves-classifier', 'classifier', ...side),
    curves('curves-attacker', 'attacker', ...side),
    curves('curves-alternating', 'alternating', ...side),
    bench('steps', 60, null, '--only', 'c-step', 'a-step', ...both, ...torch),
    bench('c-step-compiled', 70, noTorch, '--only', 'c-step', ...both, ...torch, '--compile'),
    bench('a-step-compiled', 70, noTorch, '--only', 'a-step', ...both, ...torch, '--compile'),
    train('quick', 60, '--preset', 'quick'),
    train('paper-alternating-0.08', null, ...paper, '--mode', 'alternating', '--eps', '0.08'),
    train('paper-consecutive-0.08', null, ...paper, '--mode', 'consecutive', '--eps', '0.08'),
    train('paper-others', null, ...paper, '--eps', '0.04,0.16,0.32,0.02,0.64,0.01'),
    curves('curves-webgpu', 'attacker', '--on', 'webgpu', '--gpu', '--tolerance', '1e-4'),
    bench('a-step-webgpu', 25, null, '--only', 'a-step', '--batch', '100', '--device', 'webgpu'),
  ];
}

/** What there is of a run that may have been ended: every metric, and the result where it came to one. */
async function runAsFar(folder: string): Promise<unknown> {
  const textOf = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
  const [metrics, result] = [await textOf('metrics.jsonl'), await textOf('result.json')];
  const lines = metrics.split('\n').filter((line) => line !== '');
  return {
    metrics: lines.map((line) => JSON.parse(line) as unknown),
    result: result === '' ? null : (JSON.parse(result) as unknown),
  };
}

/**
 * Seconds that a part may take: its share of the budget, or what the parts behind it leave; never more than there is.
 *
 * @param left seconds of the budget that are left.
 */
export function limitOf(part: Part, behind: readonly Part[], budget: number, left: number): number {
  const share = (limit: number): number => (limit * budget) / usualBudget;
  const reserved = behind.reduce((sum, { limit }) => sum + share(limit ?? 0), 0);
  return Math.min(left, part.limit === null ? left - reserved : share(part.limit));
}
