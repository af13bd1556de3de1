import { Command, Option } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { writeFile } from 'node:fs/promises';
import type { Target } from '../src/builder/index.ts';
import { count } from '../src/cli/options.ts';
import { alternatingTrain, attackerTrain, classifierTrain } from '../src/models/programs.ts';
import { initialState, loadDigits, type Device } from '../src/runtime/index.ts';
import {
  apart,
  imagesOf,
  inNode,
  lossesOf,
  openBrowser,
  trainedClassifier,
  type Browser,
} from '../test/support/curves.ts';
import { useSoftwareVulkan } from '../test/support/vulkan.ts';

/** Where a curve is measured: the forms of the program, and what runs it. The first is what the others are held to. */
const sides: readonly {
  readonly name: string;
  readonly key: string;
  readonly target: Target;
  readonly device: Device;
  readonly chromium?: true;
}[] = [
  { key: 'cpu', name: 'CPU', target: 'cpu', device: 'cpu' },
  { key: 'plain', name: 'CPU plain', target: 'plain', device: 'cpu' },
  { key: 'cuda-forms', name: 'CPU, CUDA forms', target: 'cuda', device: 'cpu' },
  { key: 'wasm', name: 'WASM, Chromium', target: 'cpu', device: 'cpu', chromium: true },
  { key: 'webgpu', name: 'WebGPU, Node', target: 'webgpu', device: 'webgpu' },
  { key: 'webgpu-chromium', name: 'WebGPU, Chromium', target: 'webgpu', device: 'webgpu', chromium: true },
  { key: 'cuda', name: 'CUDA', target: 'cuda', device: 'cuda' },
];
const keys = sides.map(({ key }) => key);
const learners = ['classifier', 'attacker', 'alternating'] as const;

const { steps, batch, warmUp, threads, tolerance, of, on, gpu, out } = new Command('loss-curves')
  .description('Loss of each training step on several devices, from the same weights and images.')
  .addOption(new Option('--of <program>', 'what learns').choices(learners).default('attacker' as const))
  .option('--steps <n>', 'training steps', count, 30)
  .option('--batch <n>', 'images a step', count, 4)
  .option('--warm-up <n>', 'steps before, on the CPU: where all sides begin', Number, 10)
  .option('--threads <n>', 'threads of the CPU', count, 2)
  .option('--tolerance <x>', 'how far a loss may be off, in nats', Number, 1e-4)
  .option('--on <names...>', `of ${keys.join(', ')}`, keys.slice(0, -1))
  .option('--gpu', 'WebGPU in Node on the GPU instead of SwiftShader')
  .option('--out <file>', 'write the losses as JSON too')
  .parse()
  .opts();

if (!gpu && on.includes('webgpu') && !useSoftwareVulkan())
  throw new Error(
    'WebGPU in Node needs libvulkan1 and the SwiftShader of a Chromium package, or a GPU and --gpu',
  );

const settings = { batchSize: batch, learningRate: 1e-3 };
const threat = { eps: 0.16, bound: 'tanh', clip: true } as const;
const program = {
  classifier: () => classifierTrain(settings),
  attacker: () => attackerTrain({ ...settings, ...threat }),
  alternating: () => alternatingTrain({ ...settings, ...threat }),
}[of]();
const losses = lossesOf(program);
const asked = sides.filter(({ key }) => key === 'cpu' || on.includes(key));
if (losses.length > 1 && asked.some(({ chromium }) => chromium))
  throw new Error(
    `--of ${of} has two losses and does not run in Chromium; leave out wasm and webgpu-chromium`,
  );

const { train } = await loadDigits('mnist');
const trained = of === 'classifier' ? new Map<string, never>() : await trainedClassifier(train);
const { metadata } = program;
// what a program both reads and trains begins as the trained classifier has it, the rest is drawn
const fresh = new Map(
  [...initialState(metadata, [1, 'attacker'])].map(([name, value]) => [name, trained.get(name) ?? value]),
);
const frozen = metadata.frozen.length > 0 ? trained : new Map<string, never>();
// Adam's first steps move every parameter by the learning rate, those too whose gradient is nothing but rounding: curves
// that begin there part by what no side computes wrongly. With moments of some steps they do not.
const before = imagesOf(train, batch, 0, warmUp);
const { state } = await inNode({ program, state: fresh, frozen, images: before }, 'cpu', 'cpu', threads);
const part = { program, state, frozen, images: imagesOf(train, batch, warmUp, warmUp + steps) };
const curves = new Map<string, readonly number[]>();
let browser: Browser | undefined;
for (const { name, target, device, chromium } of asked) {
  const begin = performance.now();
  if (chromium) browser ??= await openBrowser();
  const curve = chromium
    ? await browser!.losses(part, device as 'cpu' | 'webgpu')
    : (await inNode(part, target, device, threads)).losses;
  curves.set(name, curve);
  process.stderr.write(`${name}: ${((performance.now() - begin) / steps / 1000).toFixed(2)} s a step\n`);
}
await browser?.close();

const [[reference, first], ...others] = [...curves] as [
  [string, readonly number[]],
  ...[string, readonly number[]][],
];
const table = new Table({ head: ['step', ...curves.keys()], style: { head: [], border: [] } });
const titleOf = (row: number): string =>
  [1 + Math.floor(row / losses.length), ...(losses.length > 1 ? [losses[row % losses.length]] : [])].join(
    ' ',
  );
first.forEach((_, i) => table.push([titleOf(i), ...[...curves.values()].map((c) => c[i]!.toFixed(6))]));
console.log(table.toString());
const worst = Object.fromEntries(others.map(([name, curve]) => [name, apart(curve, first)]));
const within = Object.values(worst).every((x) => x <= tolerance);
for (const [name, x] of Object.entries(worst))
  console.log(`${name}: at most ${x.toExponential(1)} from ${reference}`);
console.log(within ? `all within ${tolerance}` : `beyond ${tolerance}`);
if (out) {
  const result = {
    of,
    steps,
    batch,
    warmUp,
    threads,
    losses,
    curves: Object.fromEntries(curves),
    worst,
    tolerance,
    within,
  };
  await writeFile(out, `${JSON.stringify(result, null, 2)}\n`);
}
if (!within) process.exitCode = 1;
