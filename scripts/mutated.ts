// Opens thousands of damaged files and tells how that ends: crashes, hangs, memory, and acceptances that are wrong.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { InputError, openClassifier, type Images, type OpenClassifier } from '../src/index.ts';
import { readClassifier } from '../src/models/classifier/read.ts';
import { apartOf } from '../src/runtime/audit/comparison.ts';
import { stream } from '../src/runtime/random.ts';
import { corrupted, rewired } from '../test/support/mutations.ts';

const command = new Command('mutated')
  .description(
    'Damages the models of a folder (bytes flipped, files cut short, sizes changed, nodes rewired), reads each as a ' +
      'classifier in a process of its own, and compares what is accepted with the damaged file in ONNX Runtime. ' +
      'Models with weights in a second file, and those over --largest, are left out.',
  )
  .argument('<folder>')
  .option('--count <n>', 'damaged files', Number, 2000)
  .option('--seed <n>', 'of the damage', Number, 1)
  .option('--first <n>', 'begins with this one', Number, 0)
  .option('--largest <bytes>', 'of a model', Number, 2 ** 20)
  .option('--verbose', 'shows how each file ends')
  .option('--child', 'is the process that opens files: for the command itself')
  .parse();
const [folder] = command.processedArgs;
const { count, seed, first, largest, verbose = false, child: isChild = false } = command.opts();

/** What takes more of the processor is a hang, however busy the machine is; or what waits for longer. */
const patience = 5000;
const longestWait = 120_000;
const mostMemory = 4 * 2 ** 30;

type Report =
  | { readonly stage: 'ready' }
  /** The file was read without ONNX Runtime. */
  | { readonly stage: 'read' }
  | { readonly stage: 'ended'; readonly outcome: Outcome; readonly detail: string; readonly memory: number };

const outcomes = [
  'rejected in one clear line',
  'rejected otherwise',
  'accepted with a gradient',
  'accepted without a gradient, for queries',
  'accepted, and wrong',
  'accepted, and fails when it is asked',
  'crash while reading',
  'crash in ONNX Runtime',
  'hang',
  'too much memory',
] as const;
type Outcome = (typeof outcomes)[number];
const good: readonly Outcome[] = [
  'rejected in one clear line',
  'accepted with a gradient',
  'accepted without a gradient, for queries',
];

async function models(): Promise<readonly string[]> {
  const files = (await readdir(folder, { recursive: true }))
    .filter((file) => file.endsWith('.onnx'))
    .toSorted();
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size));
  const hasData = new Set(
    (await readdir(folder, { recursive: true }))
      .filter((file) => file.endsWith('.data'))
      .map((file) => file.slice(0, -5)),
  );
  return files.filter((file, i) => sizes[i]! <= largest && !hasData.has(file));
}

const isClear = (error: unknown): boolean =>
  error instanceof InputError &&
  !error.message.includes('\n') &&
  !/undefined|Cannot read|is not a function|not iterable|Invalid array/.test(error.message);

/** Images that are not those of the self-check. */
function imagesFor({ image: { channels, height, width } }: OpenClassifier): Images {
  const random = stream(seed, 'mutated', 'images');
  const data = Float32Array.from({ length: 2 * channels * height * width }, () => random.uniform());
  return { data, shape: [2, channels, height, width] };
}

async function outcomeOf(bytes: Uint8Array): Promise<readonly [Outcome, string]> {
  let opened: OpenClassifier;
  try {
    readClassifier(bytes);
    process.send!({ stage: 'read' } satisfies Report);
    opened = await openClassifier(bytes, { threads: 1 });
  } catch (error) {
    // what reading alone throws has no name before it yet
    const own = await openClassifier(bytes, { threads: 1 }).catch((e: unknown) => e);
    return isClear(own)
      ? ['rejected in one clear line', (own as Error).message]
      : ['rejected otherwise', (error as Error).stack ?? String(error)];
  }
  try {
    const images = imagesFor(opened);
    const file = await opened.logits(images);
    if (!opened.gradient) return ['accepted without a gradient, for queries', opened.noGradient!];
    const { logits } = await opened.gradient({ images, labels: new Int32Array(2) }, 'ce');
    const { relative } = apartOf(file, logits, opened.comparison.form);
    return relative <= opened.comparison.tolerance
      ? ['accepted with a gradient', '']
      : ['accepted, and wrong', `logits ${relative.toPrecision(2)} apart, in parts of the largest`];
  } catch (error) {
    return ['accepted, and fails when it is asked', (error as Error).message];
  } finally {
    await opened.close();
  }
}

async function damaged(index: number, files: readonly string[]): Promise<Uint8Array> {
  const random = stream(seed, 'mutated', index);
  const bytes = new Uint8Array(await readFile(join(folder, files[index % files.length]!)));
  return Math.floor(index / files.length) % 2 === 0 ? rewired(bytes, random) : corrupted(bytes, random);
}

async function serve(): Promise<void> {
  const files = await models();
  process.send!({ stage: 'ready' } satisfies Report);
  process.on('message', (index: number) => {
    void damaged(index, files)
      .then(outcomeOf)
      .then(([outcome, detail]) => {
        const memory = process.resourceUsage().maxRSS * 1024;
        process.send!({ stage: 'ended', outcome, detail, memory } satisfies Report);
      });
  });
}

/** The memory of a process in bytes, and how long it has computed in milliseconds. */
async function usage(pid: number): Promise<{ readonly memory: number; readonly computed: number }> {
  const read = (file: string): Promise<string> => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
  const [status, times] = await Promise.all([read('status'), read('stat')]);
  const [user, system] = times
    .slice(times.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return {
    memory: 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0),
    computed: 10 * (Number(user ?? 0) + Number(system ?? 0)),
  };
}

/** How a file ends, and how long the process computed for it. */
type Ending = Extract<Report, { stage: 'ended' }> & { readonly computed: number };

/** Lets a process open one damaged file. One that crashes, hangs or takes too much memory is dead afterwards. */
async function ask(worker: ChildProcess, index: number): Promise<Ending> {
  let isRead = false;
  let why: Outcome | null = null;
  const before = await usage(worker.pid!);
  let last = before;
  const begun = performance.now();
  const watch = setInterval(() => {
    void usage(worker.pid!).then((now) => {
      if (now.memory === 0) return; // it has ended
      last = { memory: Math.max(last.memory, now.memory), computed: now.computed };
      const isSlow = now.computed - before.computed > patience || performance.now() - begun > longestWait;
      why ??= isSlow ? 'hang' : now.memory > mostMemory ? 'too much memory' : null;
      if (why) worker.kill('SIGKILL');
    });
  }, 100);
  try {
    return await new Promise((resolve) => {
      const onExit = (code: number | null, signal: string | null): void => {
        const outcome = why ?? (isRead ? 'crash in ONNX Runtime' : 'crash while reading');
        const detail = `${signal ?? code}${isRead ? ', after it was read' : ''}`;
        const computed = last.computed - before.computed;
        resolve({ stage: 'ended', outcome, detail, memory: last.memory, computed });
      };
      worker.once('exit', onExit);
      worker.on('message', (report: Report) => {
        if (report.stage === 'read') isRead = true;
        if (report.stage !== 'ended') return;
        worker.removeAllListeners('message').off('exit', onExit);
        void usage(worker.pid!).then(({ computed }) =>
          resolve({ ...report, computed: computed - before.computed }),
        );
      });
      worker.send(index);
    });
  } finally {
    clearInterval(watch);
  }
}

async function main(): Promise<void> {
  const files = await models();
  if (files.length === 0) throw new Error(`${folder} has no model of at most ${largest} bytes`);
  console.error(`${files.length} models, ${count} damaged files`);
  const start = async (): Promise<ChildProcess> => {
    const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--child'], {
      execArgv: [...process.execArgv, '--max-old-space-size=2048'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    await once(child, 'message');
    return child;
  };
  const found = new Map<Outcome, { index: number; detail: string }[]>();
  let [peak, longest] = [0, 0];
  let worker = await start();
  for (let index = first; index < first + count; index++) {
    const { outcome, detail, memory, computed } = await ask(worker, index);
    longest = Math.max(longest, computed);
    peak = Math.max(peak, memory);
    found.set(outcome, [...(found.get(outcome) ?? []), { index, detail }]);
    if (verbose) console.log(`${index} ${files[index % files.length]}: ${outcome}: ${detail.split('\n')[0]}`);
    if (worker.exitCode !== null || worker.signalCode !== null) worker = await start();
  }
  worker.kill();
  await once(worker, 'exit');
  for (const outcome of outcomes) {
    const list = found.get(outcome) ?? [];
    console.log(`${String(list.length).padStart(5)} ${outcome}`);
    if (!good.includes(outcome)) {
      for (const { index, detail } of list.slice(0, 20)) {
        console.log(`        ${index} ${files[index % files.length]}: ${detail.slice(0, 400)}`);
      }
    }
  }
  console.log(
    `longest ${Math.round(longest)} ms of the processor, most memory ${Math.round(peak / 2 ** 20)} MiB`,
  );
}

await (isChild ? serve() : main());
