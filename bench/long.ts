import { Command, Option } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { availableParallelism } from 'node:os';
import { count } from '../src/cli/options.ts';
import { openProduct, rateOf } from './floor.ts';
import { ourJob } from './ours.ts';
import { median } from './timing.ts';

/**
 * `pnpm bench:long`: whether a step costs at the end what it cost at the start. One process, one session, as in training;
 * after each window of steps a matrix product is timed, which tells a slower machine from a slower step.
 */
const { job, batch, steps, window, threads } = new Command('bench:long')
  .description('Time the steps of one long training, window by window.')
  .addOption(
    new Option('--job <job>', 'which step').choices(['c-step', 'a-step'] as const).default('a-step' as const),
  )
  .option('--batch <n>', 'images a step', count, 100)
  .option('--steps <n>', 'steps in all', count, 1000)
  .option('--window <n>', 'steps a window', count, 50)
  .option('--threads <n>', 'threads', count, availableParallelism())
  .parse()
  .opts();

/** Steps of one call, as in training. */
const inOneCall = 5;
const options = { device: 'cpu', threads } as const;
const product = await openProduct(2, options);
const step = await ourJob(job, batch, options);
const rows: {
  readonly from: number;
  readonly step: number;
  readonly rate: number;
  readonly memory: number;
}[] = [];
for (let from = 1; from <= steps; from += window) {
  const to = Math.min(from + window - 1, steps);
  const times: number[] = [];
  for (let at = from; at <= to; at += inOneCall)
    times.push(...(await step.time(Math.min(inOneCall, to - at + 1))));
  const rate = rateOf(2, Math.min(...(await product.time(8))));
  rows.push({ from, step: median(times), rate, memory: process.memoryUsage.rss() / 2 ** 20 });
  process.stderr.write(`steps ${from} to ${to}: ${median(times).toFixed(1)} ms\n`);
}
await step.close();
await product.close();

const table = new Table({
  head: ['from step', 'ms a step (median)', 'to the first window', 'products, GFLOP/s', 'memory, MiB'],
  style: { head: [], border: [] },
});
const first = rows[0]!.step;
for (const { from, step: time, rate, memory } of rows)
  table.push([from, time.toFixed(1), `${(time / first).toFixed(2)}x`, rate.toFixed(0), memory.toFixed(0)]);
console.log(table.toString());
const all = rows.map((row) => row.step);
console.log(`slowest window over fastest: ${(Math.max(...all) / Math.min(...all)).toFixed(2)}x`);
console.log(`peak memory: ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MiB`);
