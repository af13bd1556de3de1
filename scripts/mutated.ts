// Opens thousands of damaged files and tells how that ends: crashes, hangs, memory, and acceptances that are wrong.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import { lower } from '../src/builder/index.ts';
import { encode } from '../src/onnx/index.ts';
import { classifierOf, type Classifier } from '../src/models/classifier/classifier.ts';
import { InferenceSession, OrtTensor } from '../src/runtime/ort.ts';
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

/** What takes longer is a hang; what takes more memory is ended. */
const patience = 5000;
const mostMemory = 4 * 2 ** 30;
/** Values of two images. */
const mostPixels = 2 ** 26;
/** Of the largest logit. */
const tolerance = 1e-3;

type Report =
  | { readonly stage: 'accepted' }
  | { readonly stage: 'ended'; readonly outcome: Outcome; readonly detail: string; readonly memory: number };

const outcomes = [
  'rejected in one clear line',
  'rejected otherwise',
  'accepted, as ONNX Runtime',
  'accepted, and ONNX Runtime rejects the file',
  'accepted, and ONNX Runtime fails while running it',
  'accepted, and ONNX Runtime ends the process',
  'accepted, and ours fails',
  'accepted, and its images are too large',
  'accepted, with other logits',
  'crash while reading',
  'hang',
  'too much memory',
] as const;
type Outcome = (typeof outcomes)[number];

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

const isClear = (message: string): boolean =>
  !message.includes('\n') &&
  !/undefined|Cannot read|is not a function|not iterable|Invalid array/.test(message);

/** Images of a classifier's own shape, between 0 and 1. */
function imagesFor({ image: { channels, height, width } }: Classifier): OrtTensor {
  const random = stream(seed, 'mutated', 'images');
  const shape = [2, channels, height, width];
  const size = shape.reduce((a, b) => a * b, 1);
  return new OrtTensor(
    'float32',
    Float32Array.from({ length: size }, () => random.uniform()),
    shape,
  );
}

const options = { logSeverityLevel: 4, intraOpNumThreads: 1 } as const;

async function logitsOf(
  session: InferenceSession,
  input: string,
  output: string,
  images: OrtTensor,
): Promise<Float32Array> {
  try {
    const { [output]: logits } = await session.run({ [input]: images }, [output]);
    return (logits!.data as Float32Array).slice();
  } finally {
    await session.release();
  }
}

async function outcomeOf(bytes: Uint8Array): Promise<readonly [Outcome, string]> {
  let [classifier, file]: [Classifier | null, Uint8Array | null] = [null, null];
  try {
    classifier = classifierOf(bytes);
    file = encode(lower(classifier.graph, 'plain'));
  } catch (error) {
    const { message, stack } = error as Error;
    return isClear(message)
      ? ['rejected in one clear line', message]
      : ['rejected otherwise', stack ?? message];
  }
  process.send!({ stage: 'accepted' } satisfies Report);
  const { channels, height, width } = classifier.image;
  if (2 * channels * height * width > mostPixels) {
    return ['accepted, and its images are too large', `${channels}x${height}x${width}`];
  }
  const images = imagesFor(classifier);
  const { image, logits } = classifier.ports;
  const original = await InferenceSession.create(bytes, options).catch((error: Error) => error);
  if (original instanceof Error) return ['accepted, and ONNX Runtime rejects the file', original.message];
  const expected = await logitsOf(original, image, logits, images).catch((error: Error) => error);
  if (expected instanceof Error)
    return ['accepted, and ONNX Runtime fails while running it', expected.message];
  try {
    const actual = await logitsOf(await InferenceSession.create(file, options), 'image', 'logits', images);
    const scale = expected.reduce((so, x) => Math.max(so, Math.abs(x)), 0);
    const isSame = (x: number, i: number): boolean =>
      Object.is(x, expected[i]) || Math.abs(x - expected[i]!) <= tolerance * scale;
    const same = actual.length === expected.length && actual.every(isSame);
    return same
      ? ['accepted, as ONNX Runtime', '']
      : [
          'accepted, with other logits',
          `${actual.slice(0, 3).join()} instead of ${expected.slice(0, 3).join()}`,
        ];
  } catch (error) {
    return ['accepted, and ours fails', (error as Error).message];
  }
}

async function damaged(index: number, files: readonly string[]): Promise<Uint8Array> {
  const random = stream(seed, 'mutated', index);
  const bytes = new Uint8Array(await readFile(join(folder, files[index % files.length]!)));
  return Math.floor(index / files.length) % 2 === 0 ? rewired(bytes, random) : corrupted(bytes, random);
}

async function serve(): Promise<void> {
  const files = await models();
  process.on('message', (index: number) => {
    void damaged(index, files)
      .then(outcomeOf)
      .then(([outcome, detail]) => {
        const memory = process.resourceUsage().maxRSS * 1024;
        process.send!({ stage: 'ended', outcome, detail, memory } satisfies Report);
      });
  });
}

async function residentMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
}

/** Lets a process open one damaged file. One that crashes, hangs or takes too much memory is dead afterwards. */
async function ask(worker: ChildProcess, index: number): Promise<Report & { readonly stage: 'ended' }> {
  let accepted = false;
  let memory = 0;
  let why: Outcome | null = null;
  const end = (outcome: Outcome): void => {
    why ??= outcome;
    worker.kill('SIGKILL');
  };
  const slow = setTimeout(() => end('hang'), patience);
  const watch = setInterval(() => {
    void residentMemory(worker.pid!).then((now) => {
      memory = Math.max(memory, now);
      if (now > mostMemory) end('too much memory');
    });
  }, 100);
  try {
    return await new Promise((resolve) => {
      const onExit = (code: number | null, signal: string | null): void => {
        const outcome =
          why ?? (accepted ? 'accepted, and ONNX Runtime ends the process' : 'crash while reading');
        const detail = `${signal ?? code}${accepted ? ', after it was accepted' : ''}`;
        resolve({ stage: 'ended', outcome, detail, memory });
      };
      worker.once('exit', onExit);
      worker.on('message', (report: Report) => {
        if (report.stage === 'accepted') accepted = true;
        else {
          worker.removeAllListeners('message').off('exit', onExit);
          resolve(report);
        }
      });
      worker.send(index);
    });
  } finally {
    clearTimeout(slow);
    clearInterval(watch);
  }
}

async function main(): Promise<void> {
  const files = await models();
  if (files.length === 0) throw new Error(`${folder} has no model of at most ${largest} bytes`);
  console.error(`${files.length} models, ${count} damaged files`);
  const start = (): ChildProcess =>
    fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), '--child'], {
      execArgv: [...process.execArgv, '--max-old-space-size=2048'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
  const found = new Map<Outcome, { index: number; detail: string }[]>();
  let [peak, longest] = [0, 0];
  let worker = start();
  for (let index = first; index < first + count; index++) {
    const begun = performance.now();
    const { outcome, detail, memory } = await ask(worker, index);
    longest = Math.max(longest, performance.now() - begun);
    peak = Math.max(peak, memory);
    found.set(outcome, [...(found.get(outcome) ?? []), { index, detail }]);
    if (verbose) console.log(`${index} ${files[index % files.length]}: ${outcome}: ${detail.split('\n')[0]}`);
    if (worker.exitCode !== null || worker.signalCode !== null) worker = start();
  }
  worker.kill();
  await once(worker, 'exit');
  for (const outcome of outcomes) {
    const list = found.get(outcome) ?? [];
    console.log(`${String(list.length).padStart(5)} ${outcome}`);
    if (!['rejected in one clear line', 'accepted, as ONNX Runtime'].includes(outcome)) {
      for (const { index, detail } of list.slice(0, 20)) {
        console.log(`        ${index} ${files[index % files.length]}: ${detail.slice(0, 400)}`);
      }
    }
  }
  console.log(`longest ${Math.round(longest)} ms, most memory ${Math.round(peak / 2 ** 20)} MiB`);
}

await (isChild ? serve() : main());
