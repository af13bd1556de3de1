import { spawn, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { Command } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { ourJob, type Job, type JobName } from '../bench/ours.ts';
import { median } from '../bench/timing.ts';
import { count } from '../src/cli/options.ts';

/** What is timed. Runs of steps are one call, as in training; an inference is a call of its own. */
const kinds: readonly {
  readonly name: string;
  readonly job: JobName;
  readonly batch: number;
  readonly runs: number;
}[] = [
  { name: 'training C, batch 100', job: 'c-step', batch: 100, runs: 4 },
  { name: 'training A, batch 100', job: 'a-step', batch: 100, runs: 2 },
  { name: 'inference of C, 1 image', job: 'c-infer', batch: 1, runs: 200 },
  { name: 'inference of C, 250 images', job: 'c-infer', batch: 250, runs: 8 },
  { name: 'inference of A, 1 image', job: 'a-infer', batch: 1, runs: 40 },
  { name: 'inference of A, 16 images', job: 'a-infer', batch: 16, runs: 8 },
];

const { rounds, threads, busy } = new Command('spinning')
  .description(
    'Milliseconds a step or an inference with ONNX Runtime threads that spin while they wait, and with threads that ' +
      'sleep: alone, and beside busy processes. For an otherwise idle machine.',
  )
  .option('--rounds <n>', 'how often each is measured; the table has medians', count, 9)
  .option('--threads <n>', 'threads of a session', count, availableParallelism())
  .option('--busy <n>', 'processes that keep a core busy', count, 1)
  .parse()
  .opts();

const table = new Table({
  head: ['ms (median)', 'alone: spin', 'sleep', 'sleep/spin', 'beside: spin', 'sleep', 'sleep/spin'],
  colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
  style: { head: [], border: [], compact: true },
});
for (const { name, job, batch, runs } of kinds) {
  const cells = [];
  for (const beside of [0, busy]) {
    const others = Array.from({ length: beside }, startBusy);
    const [spin, sleep] = await measured(job, batch, runs);
    for (const other of others) other.kill('SIGKILL');
    cells.push(spin.toFixed(2), sleep.toFixed(2), (sleep / spin).toFixed(2));
  }
  table.push([name, ...cells]);
  process.stderr.write(`${name}: ${cells.join('  ')}\n`);
}
console.log(`${threads} threads, ${rounds} rounds, ${busy} busy ${busy === 1 ? 'process' : 'processes'}`);
console.log(table.toString());

/** Medians of both, measured in turns, so that a drift of the machine meets both alike. */
async function measured(job: JobName, batch: number, runs: number): Promise<readonly [number, number]> {
  const sides = [true, false].map((spinning) => ({ spinning, times: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    // one session at a time: threads that spin would slow the other one's down
    for (const side of round % 2 ? sides.toReversed() : sides) {
      const open: Job = await ourJob(job, batch, { device: 'cpu', threads, spinning: side.spinning });
      await open.time(Math.ceil(runs / 4));
      side.times.push(median(await open.time(runs)));
      await open.close();
    }
  }
  return [median(sides[0]!.times), median(sides[1]!.times)];
}

function startBusy(): ChildProcess {
  return spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
}
