import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import type { Device } from '../src/runtime/index.ts';
import { openProduct } from './floor.ts';
import { ourJob, type Job, type JobName } from './ours.ts';

/** Our side of `pnpm bench`, in a process of its own like every other side; see sides.ts for what it is asked. */
const [threads, device] = process.argv.slice(2);
const options = { device: device as Device, threads: Number(threads) };
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
const say = (answer: unknown): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

const products = new Map<string, Job>();
/** One at a time: a step at batch 400 leaves no room to hold them all. */
let open: { readonly key: string; readonly job: Job } | undefined;

async function jobOf(name: string, batch: number): Promise<Job> {
  const key = `${name} ${batch}`;
  if (name === 'gemm') {
    const product = products.get(key) ?? (await openProduct(batch, options));
    products.set(key, product);
    return product;
  }
  if (open?.key !== key) {
    await open?.job.close();
    open = { key, job: await ourJob(name as JobName, batch, options) };
  }
  return open.job;
}

say({ name: 'Sparring', kernel: `ONNX Runtime ${version}, ${options.device}` });
for await (const line of createInterface(process.stdin)) {
  const [command, name, batch, runs] = line.split(' ');
  if (command === 'peak') say(process.resourceUsage().maxRSS / 1024);
  else say(await (await jobOf(name!, Number(batch))).time(Number(runs)));
}
for (const job of [open?.job, ...products.values()]) await job?.close();
