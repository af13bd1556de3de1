import { Command } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { writeAtomic } from '../src/runtime/files.ts';
import type { SessionOptions } from '../src/runtime/index.ts';
import { count } from '../src/cli/options.ts';
import { attackerStepGflop, bestMatMulRate } from './floor.ts';
import { ourJob, type JobName } from './ours.ts';
import { openTorch, type Torch } from './torch.ts';

/** What is measured, and how many runs a round. */
const plan: readonly { readonly job: JobName; readonly batch: number; readonly runs: number }[] = [
  { job: 'c-step', batch: 100, runs: 20 },
  { job: 'a-step', batch: 50, runs: 4 },
  { job: 'a-step', batch: 100, runs: 4 },
  { job: 'a-step', batch: 400, runs: 2 },
  { job: 'c-infer', batch: 1, runs: 50 },
  { job: 'c-infer', batch: 100, runs: 20 },
  { job: 'c-infer', batch: 400, runs: 10 },
  { job: 'a-infer', batch: 1, runs: 20 },
  { job: 'a-infer', batch: 100, runs: 6 },
  { job: 'a-infer', batch: 400, runs: 3 },
];

interface Row {
  readonly job: JobName;
  readonly batch: number;
  /** Median milliseconds. */
  readonly ours: number;
  /** Median milliseconds by peer. */
  readonly peers: Readonly<Record<string, number>>;
}

const command = new Command('bench')
  .description('Time our training steps and inferences, alternating with PyTorch where it is given.')
  .option('--python <paths...>', 'interpreters that can import torch, each a peer', [])
  .option('--threads <n>', 'threads on every side', count, availableParallelism())
  .option('--rounds <n>', 'rounds; each runs every side once', count, 3)
  .option('--only <job>', 'only jobs whose name begins so, such as a-step')
  .option('--out <file>', 'where the JSON goes', 'bench/results.json')
  .parse();

const { python, threads, rounds, only, out } = command.opts();
const options: SessionOptions = { device: 'cpu', threads };
const peers = await Promise.all(python.map((path) => openTorch(path, threads)));
const nameOf = (peer: Torch): string => `PyTorch ${peer.version}`;

const { version: onnxruntime } = createRequire(import.meta.url)('onnxruntime-node/package.json') as {
  version: string;
};

const rows: Row[] = [];
for (const { job, batch, runs } of plan.filter((p) => p.job.startsWith(only ?? ''))) {
  const own = await ourJob(job, batch, 'cpu', options);
  const ours: number[] = [];
  const theirs = peers.map((): number[] => []);
  await timed(own.run, Math.max(3, runs)); // first runs are slow: memory is being found
  for (const peer of peers) await peer.time(job, batch, 2);
  for (let round = 0; round < rounds; round++) {
    ours.push(...(await timed(own.run, runs)));
    for (const [i, peer] of peers.entries()) theirs[i]!.push(...(await peer.time(job, batch, runs)));
  }
  await own.close();
  const named = peers.map((peer, i) => [nameOf(peer), median(theirs[i]!)] as const);
  rows.push({ job, batch, ours: median(ours), peers: Object.fromEntries(named) });
  process.stderr.write(`${job} batch ${batch}: ${median(ours).toFixed(2)} ms\n`);
}
for (const peer of peers) peer.close();

const rate = await bestMatMulRate(options);
const step = rows.find((row) => row.job === 'a-step' && row.batch === 100);
const floor = (attackerStepGflop(100) / rate) * 1000;
const result = {
  schema: 1,
  command: ['pnpm bench', ...process.argv.slice(2).map((arg) => (arg.includes('/') ? 'PATH' : arg))].join(
    ' ',
  ),
  environment: { cpu: cpus()[0]?.model.trim(), threads, node: process.versions.node, onnxruntime },
  floor: {
    matmulGflops: rate,
    attackerStepGflop: attackerStepGflop(100),
    milliseconds: floor,
    ratio: step ? step.ours / floor : null,
  },
  peakMemoryMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  rows,
};

const table = new Table({
  head: [
    'job',
    'batch',
    'ours, ms',
    'ours, ms/image',
    ...peers.flatMap((peer) => [`${nameOf(peer)}, ms`, 'ratio']),
  ],
  style: { head: [], border: [] },
});
for (const row of rows) {
  const cells = peers.flatMap((peer) => {
    const theirs = row.peers[nameOf(peer)]!;
    return [theirs.toFixed(2), `${(row.ours / theirs).toFixed(2)}x`];
  });
  table.push([row.job, row.batch, row.ours.toFixed(2), (row.ours / row.batch).toFixed(3), ...cells]);
}
console.log(table.toString());
console.log(
  `GEMM floor of the attacker step at batch 100: ${floor.toFixed(0)} ms (${attackerStepGflop(100).toFixed(1)} GFLOP at ${rate.toFixed(0)} GFLOP/s)` +
    (step ? `; ours is ${(step.ours / floor).toFixed(2)}x of it` : ''),
);
await writeAtomic(out, `${JSON.stringify(result, null, 2)}\n`);

async function timed(run: () => Promise<void>, runs: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times;
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
