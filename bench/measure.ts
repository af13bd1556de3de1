import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { attackerStepGflop, products, rateOf } from './floor.ts';
import { attackerModel, type JobName } from './ours.ts';
import type { Floor, Results, Row } from './results.ts';
import { open, startup, torchEnvironment, type Side, type Start } from './sides.ts';
import { median } from './timing.ts';

/**
 * What is timed, and how many runs a turn has: steps run for about as long as a call of training does, which is no more than
 * 1.4 s. TensorFlow.js takes part in small batches only: it needs seconds an image.
 */
const plan: readonly {
  readonly job: JobName;
  readonly batch: number;
  readonly runs: number;
  readonly tfjs?: true;
}[] = [
  { job: 'c-step', batch: 10, runs: 50, tfjs: true },
  { job: 'c-step', batch: 50, runs: 50 },
  { job: 'c-step', batch: 100, runs: 50 },
  { job: 'c-step', batch: 400, runs: 15 },
  { job: 'd-step', batch: 100, runs: 10 },
  { job: 'a-step', batch: 2, runs: 10, tfjs: true },
  { job: 'a-step', batch: 50, runs: 14 },
  { job: 'a-step', batch: 100, runs: 9 },
  { job: 'a-step', batch: 200, runs: 4 },
  { job: 'a-step', batch: 400, runs: 2 },
  { job: 'c-infer', batch: 1, runs: 50, tfjs: true },
  { job: 'c-infer', batch: 100, runs: 20 },
  { job: 'c-infer', batch: 400, runs: 10 },
  { job: 'a-infer', batch: 1, runs: 20, tfjs: true },
  { job: 'a-infer', batch: 100, runs: 6 },
  { job: 'a-infer', batch: 400, runs: 3 },
];

export interface MeasureOptions {
  readonly threads: number;
  readonly rounds: number;
  /** Beginnings of names of jobs; all when left out. */
  readonly only?: readonly string[] | undefined;
  readonly batch?: readonly number[] | undefined;
}

const isTfjs = ({ name }: Side): boolean => name.startsWith('TensorFlow.js');
const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** Everything that `pnpm bench` measures: jobs in turns, time to a first result, peak memory. Our side is the first. */
export async function measure(
  starts: readonly Start[],
  pythons: readonly string[],
  options: MeasureOptions,
): Promise<Pick<Results, 'sides' | 'rows' | 'floors'>> {
  const wanted = (job: string, batch: number): boolean =>
    (options.only ?? ['']).some((begin) => job.startsWith(begin)) &&
    (options.batch ?? [batch]).includes(batch);
  const sides: Side[] = [];
  const rows: Row[] = [];
  const floors: Floor[] = [];
  try {
    for (const start of starts) sides.push(await open(start));
    for (const { name, kernel } of sides) say(`${name}: ${kernel}`);
    for (const { job, batch, runs, tfjs } of plan.filter((p) => wanted(p.job, p.batch))) {
      const present = sides.filter((side) => tfjs || !isTfjs(side));
      const { row, rates } = await inTurns(present, job, batch, runs, options.rounds);
      rows.push(row);
      if (job === 'a-step' && batch >= 50) floors.push(floorOf(batch, row.values[sides[0]!.name]!, rates));
    }
    for (const side of sides) await side.close();
    if (wanted('first', 1)) rows.push(await firstResult(sides, pythons, options));
    for (const job of ['c-step', 'a-step'] as const) {
      if (wanted('peak', 100)) rows.push(await peakMemory(starts.slice(0, 1 + pythons.length), job));
    }
  } finally {
    for (const side of sides) await side.close();
  }
  return { sides: sides.map(({ name, kernel }) => ({ name, kernel })), rows, floors };
}

/** Milliseconds before a turn, so that threads of the side before it that still wait for work come to rest. */
const calm = 500;

/** One job on every side in turns, after a warm-up: first runs are slow, memory is being found. */
async function inTurns(
  sides: readonly Side[],
  job: JobName,
  batch: number,
  runs: number,
  rounds: number,
): Promise<{ readonly row: Row; readonly rates: readonly number[] }> {
  const runsOf = (side: Side): number => (isTfjs(side) ? 1 : runs);
  for (const side of sides) await side.time(job, batch, isTfjs(side) ? 1 : Math.max(3, runs));
  const times = sides.map((): number[] => []);
  const rates: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [i, side] of sides.entries()) {
      await sleep(calm);
      times[i]!.push(...(await side.time(job, batch, runsOf(side))));
    }
    if (job === 'a-step') rates.push(await bestRate(sides[0]!));
  }
  const values = Object.fromEntries(sides.map(({ name }, i) => [name, median(times[i]!)]));
  say(
    `${job} batch ${batch}: ${Object.values(values)
      .map((value) => value.toFixed(2))
      .join(', ')} ms`,
  );
  return { row: { job, batch, unit: 'ms', values }, rates };
}

/** GFLOP/s of the best of a few products, now. */
async function bestRate(ours: Side): Promise<number> {
  const rates: number[] = [];
  for (const index of products.keys()) {
    const times = await ours.time('gemm', index, 8);
    rates.push(rateOf(index, Math.min(...times.slice(2))));
  }
  return Math.max(...rates);
}

function floorOf(batch: number, step: number, rates: readonly number[]): Floor {
  const { whole, unpadded } = attackerStepGflop(batch);
  const gflops = Math.max(...rates);
  const over = (gflop: number) => {
    const milliseconds = (gflop / gflops) * 1000;
    return { gflop, milliseconds, ratio: step / milliseconds };
  };
  return { batch, gflops, whole: over(whole), unpadded: over(unpadded) };
}

/** From the start of a process to its first attacked image: A is read from a file and runs once. */
async function firstResult(
  sides: readonly Side[],
  pythons: readonly string[],
  { rounds, threads }: MeasureOptions,
): Promise<Row> {
  const beside = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), 'sparring-bench-'));
  try {
    const model = join(folder, 'attacker.onnx');
    await writeFile(model, attackerModel());
    const env = torchEnvironment(threads);
    const starts: Start[] = [{ command: [process.execPath, beside('first.mjs'), model] }];
    for (const [i, python] of pythons.entries()) {
      const weights = join(folder, `${i}.pt`);
      await promisify(execFile)(python, [beside('torch_peer.py'), 'save', weights], { env });
      starts.push({ command: [python, '-W', 'ignore', beside('torch_peer.py'), 'first', weights], env });
    }
    const times = starts.map((): number[] => []);
    for (let round = 0; round <= rounds; round++) {
      for (const [i, start] of starts.entries()) {
        const time = await startup(start);
        if (round > 0) times[i]!.push(time); // the first round brings the files into memory
      }
    }
    const values = Object.fromEntries(starts.map((_, i) => [sides[i]!.name, median(times[i]!)]));
    say(
      `first result: ${Object.values(values)
        .map((value) => value.toFixed(0))
        .join(', ')} ms`,
    );
    return { job: 'first result', batch: 1, unit: 'ms', values };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The most memory that a process holds that does nothing but five steps at batch 100. */
async function peakMemory(starts: readonly Start[], job: JobName): Promise<Row> {
  const values: Record<string, number> = {};
  for (const start of starts) {
    const side = await open(start);
    await side.time(job, 100, 5);
    values[side.name] = await side.peak();
    await side.close();
  }
  say(
    `peak memory of ${job}: ${Object.values(values)
      .map((value) => value.toFixed(0))
      .join(', ')} MiB`,
  );
  return { job: `peak memory, ${job}`, batch: 100, unit: 'MiB', values };
}
