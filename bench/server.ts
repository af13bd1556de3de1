import { Command } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { execFile } from 'node:child_process';
import { cpus, availableParallelism } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { writeAtomic } from '../src/runtime/files.ts';
import { count } from '../src/cli/options.ts';
import { loadCatalogue, serve, type Cell } from '../src/server/index.ts';
import type { RawJob } from './server-raw.ts';

const command = new Command('bench:server')
  .description('Load a server of a trained run, beside the rate of its sessions alone on as many threads.')
  .option('--run <dir>', 'run folder', 'runs/latest')
  .option('--seconds <n>', 'seconds for each number of clients', count, 20)
  .option('--workers <n>', 'worker processes', count, Math.max(1, availableParallelism() - 1))
  .option('--threads <n>', 'threads of ONNX Runtime in each worker', count, 1)
  .option('--batch <n>', 'images of a full batch', count, 16)
  .option('--accept <type>', 'application/json or image/png', 'application/json')
  .option('--clients <list>', 'numbers of clients', '1,16,64,256,1000')
  .option('--out <file>', 'where the JSON goes', 'bench/server-results.json')
  .parse();
const { run, seconds, workers, threads, batch, accept, clients, out } = command.opts();

/** Attacks a second by the sessions alone, in `workers` processes at once. */
async function raw(cell: Cell, images: number): Promise<number> {
  const { c1, c2, attacker } = cell.models;
  const job: RawJob = {
    paths: {
      c1: String(c1.content),
      ...(c2 && { c2: String(c2.content) }),
      attacker: String(attacker.content),
    },
    eps: cell.eps,
    image: catalogue.card.image,
    threads,
    batch: images,
    seconds: Math.max(2, seconds / 4),
  };
  const script = fileURLToPath(new URL('./server-raw.ts', import.meta.url));
  const args = [...process.execArgv, script, JSON.stringify(job)];
  const rates = await Promise.all(
    Array.from({ length: workers }, async () =>
      Number((await promisify(execFile)(process.execPath, args)).stdout),
    ),
  );
  return rates.reduce((a, b) => a + b, 0);
}

/** What the load process reports. */
interface Load {
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly errors: number;
  readonly timeouts: number;
  readonly duration: number;
  readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
}

async function load(port: number, connections: string): Promise<Load> {
  const script = fileURLToPath(new URL('./server-load.ts', import.meta.url));
  const args = [
    ...process.execArgv,
    script,
    `http://127.0.0.1:${port}`,
    connections,
    String(seconds),
    accept,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Load;
}

const megabytes = (): number => Math.round(process.memoryUsage().rss / 1e6);
const to = (digits: number, x: number): number => Number(x.toFixed(digits));

const catalogue = await loadCatalogue(run);
const [cell] = catalogue.cells;
const alone = { one: await raw(cell!, 1), full: await raw(cell!, batch) };
console.log(
  `sessions alone, ${workers} x ${threads} threads: ${alone.one.toFixed(0)} attacks/s one by one, ` +
    `${alone.full.toFixed(0)} in batches of ${batch}`,
);

const serving = await serve({
  catalogue,
  workers,
  threads,
  batch,
  queue: 256,
  timeout: 15_000,
  openCells: 8,
  host: '127.0.0.1',
  port: 0,
  requestTimeout: 15_000,
  drainDelay: 0,
  drainTimeout: 30_000,
  limits: { images: 64, body: 2 * 1024 * 1024 },
  origins: [],
  demo: null,
  docsScript: null,
  log: pino({ level: 'error' }),
  version: 'bench',
});
const rows = [];
const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();
for (const connections of clients.split(',')) {
  loop.reset();
  const { latency, errors, timeouts, duration, statusCodeStats } = await load(serving.port, connections);
  const statuses = Object.fromEntries(Object.entries(statusCodeStats).map(([k, v]) => [k, v.count]));
  const rate = (statuses['200'] ?? 0) / duration;
  rows.push({
    clients: Number(connections),
    attacksPerSecond: to(1, rate),
    ofOneByOne: to(2, rate / alone.one),
    ofBatches: to(2, rate / alone.full),
    p50: latency.p50,
    p99: latency.p99,
    eventLoopDelayP99: to(1, loop.percentile(99) / 1e6),
    megabytes: megabytes(),
    statuses,
    errors: errors + timeouts,
  });
}
await serving.drain();

const table = new Table({
  head: [
    'clients',
    'attacks/s',
    'of one by one',
    `of batches`,
    'p50, ms',
    'p99, ms',
    'loop p99, ms',
    'MB',
    'status',
  ],
  style: { head: [], border: [] },
});
for (const row of rows) {
  table.push([
    row.clients,
    row.attacksPerSecond,
    row.ofOneByOne,
    row.ofBatches,
    row.p50,
    row.p99,
    row.eventLoopDelayP99,
    row.megabytes,
    [
      ...Object.entries(row.statuses).map(([status, n]) => `${status}: ${n}`),
      ...(row.errors > 0 ? [`errors: ${row.errors}`] : []),
    ].join(', '),
  ]);
}
console.log(table.toString());
const best = Math.max(...rows.map(({ attacksPerSecond }) => attacksPerSecond));
const most = rows.reduce((a, b) => (b.clients > a.clients ? b : a));
console.log(`with ${most.clients} clients: ${to(2, most.attacksPerSecond / best)} of the best rate`);
const machine = { cpu: cpus()[0]?.model.trim(), cores: availableParallelism(), node: process.versions.node };
await writeAtomic(
  out,
  `${JSON.stringify({ machine, workers, threads, batch, accept, seconds, alone, rows }, null, 2)}\n`,
);
console.log(out);
