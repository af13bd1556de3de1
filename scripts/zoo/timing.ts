import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { OpenClassifier } from '../../src/index.ts';
import { torchEnvironment } from '../../bench/sides.ts';
import type { Case, Meta } from './cases.ts';
import type { Time } from './check.ts';

export const batches = [1, 32] as const;
/** A side is timed this long, and at least so often, after one run that is not counted. */
const milliseconds = 1500;
const leastRuns = 3;
/** In which threads of the other side come to rest. */
const pause = 500;

/** What is read before and after a run: time, or the processor time of all threads, which other programs disturb less. */
export type Clock = 'wall' | 'processor';

const Answer = z.object({ ms: z.array(z.number()) });

/** Times both sides on the same images: ours, and PyTorch in a process of its own. */
export interface Stopwatch {
  readonly time: (opened: OpenClassifier, own: Case, meta: Meta | null) => Promise<readonly Time[]>;
  readonly close: () => Promise<void>;
}

/**
 * @param python an interpreter that has PyTorch, or null to time our side alone.
 * @param modules folders of Python modules that the networks were made of.
 * @param clock of both sides.
 */
export function stopwatch(
  python: string | null,
  threads: number,
  modules: readonly string[],
  clock: Clock,
): Stopwatch {
  const side = python === null ? null : torch(python, threads, modules, clock);
  const known = new Map<string, readonly number[]>();
  return {
    async time(opened, own, meta) {
      const ours: number[] = [];
      for (const batch of batches) ours.push(await timed(opened, repeated(own, batch), clock));
      const theirs = meta?.pt === undefined || !side ? null : (known.get(meta.pt) ?? (await side.time(meta)));
      if (theirs) known.set(meta!.pt!, theirs);
      return batches.map((batch, i) => ({ batch, ours: ours[i]!, torch: theirs?.[i] ?? null }));
    },
    async close() {
      await side?.close();
    },
  };
}

/** The first images, and again from the first. */
function repeated({ images, labels }: Case, batch: number): Pick<Case, 'images' | 'labels'> {
  const [count, ...size] = images.shape;
  const each = images.data.length / count;
  return {
    images: {
      data: Float32Array.from({ length: batch * each }, (_, at) => images.data[at % images.data.length]!),
      shape: [batch, ...size],
    },
    labels: Int32Array.from({ length: batch }, (_, i) => labels[i % count]!),
  };
}

/** The median of some runs, in milliseconds. */
async function timed(
  opened: OpenClassifier,
  batch: Pick<Case, 'images' | 'labels'>,
  clock: Clock,
): Promise<number> {
  const now = clock === 'wall' ? () => performance.now() : processorTime;
  await new Promise((resolve) => setTimeout(resolve, pause));
  await opened.gradient!(batch, 'ce');
  const runs: number[] = [];
  const end = performance.now() + milliseconds;
  while (runs.length < leastRuns || performance.now() < end) {
    const begun = now();
    await opened.gradient!(batch, 'ce');
    runs.push(now() - begun);
  }
  return runs.toSorted((a, b) => a - b)[Math.floor(runs.length / 2)]!;
}

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** PyTorch, asked in lines of JSON. */
function torch(python: string, threads: number, modules: readonly string[], clock: Clock) {
  const script = fileURLToPath(new URL('time_torch.py', import.meta.url));
  const numbers = [clock, ...[threads, milliseconds, leastRuns].map(String)];
  const child = spawn(python, [script, ...numbers, ...batches.map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...torchEnvironment(threads), PYTHONPATH: modules.join(':'), PYTHONDONTWRITEBYTECODE: '1' },
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async time(meta: Meta): Promise<readonly number[]> {
      await new Promise((resolve) => setTimeout(resolve, pause));
      child.stdin.write(`${JSON.stringify(meta)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${python} ended while it timed ${meta.name}`);
      return Answer.parse(JSON.parse(value)).ms;
    },
    async close() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}
