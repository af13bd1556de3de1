import { Command } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import type { Target } from '../src/builder/index.ts';
import { count } from '../src/cli/options.ts';
import { attackerTrain } from '../src/models/programs.ts';
import { initialState, loadDigits, type Device } from '../src/runtime/index.ts';
import {
  apart,
  imagesOf,
  inNode,
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

const { steps, batch, warmUp, tolerance, on, gpu } = new Command('loss-curves')
  .description('Loss of each attacker step on several devices, from the same weights and images.')
  .option('--steps <n>', 'attacker steps', count, 30)
  .option('--batch <n>', 'images a step', count, 4)
  .option('--warm-up <n>', 'steps before, on the CPU: where all sides begin', Number, 10)
  .option('--tolerance <x>', 'how far a loss may be off, in nats', Number, 1e-4)
  .option('--on <names...>', `of ${keys.join(', ')}`, keys.slice(0, -1))
  .option('--gpu', 'WebGPU in Node on the GPU instead of SwiftShader')
  .parse()
  .opts();

if (!gpu && on.includes('webgpu') && !useSoftwareVulkan())
  throw new Error(
    'WebGPU in Node needs libvulkan1 and the SwiftShader of a Chromium package, or a GPU and --gpu',
  );

const program = attackerTrain({ batchSize: batch, learningRate: 1e-3, eps: 0.16, bound: 'tanh', clip: true });
const { train } = await loadDigits('mnist');
const frozen = await trainedClassifier(train);
const fresh = initialState(program.metadata, [1, 'attacker']);
// Adam's first steps move every parameter by the learning rate, those too whose gradient is nothing but rounding: curves
// that begin there part by what no side computes wrongly. With moments of some steps they do not.
const before = imagesOf(train, batch, 0, warmUp);
const { state } = await inNode({ program, state: fresh, frozen, images: before }, 'cpu', 'cpu', 2);
const part = { program, state, frozen, images: imagesOf(train, batch, warmUp, warmUp + steps) };
const curves = new Map<string, readonly number[]>();
let browser: Browser | undefined;
for (const { name, target, device, chromium } of sides.filter(
  ({ key }) => key === 'cpu' || on.includes(key),
)) {
  const begin = performance.now();
  if (chromium) browser ??= await openBrowser();
  const losses = chromium
    ? await browser!.losses(part, device as 'cpu' | 'webgpu')
    : (await inNode(part, target, device, 2)).losses;
  curves.set(name, losses);
  process.stderr.write(`${name}: ${((performance.now() - begin) / steps / 1000).toFixed(2)} s a step\n`);
}
await browser?.close();

const [[reference, first], ...others] = [...curves] as [
  [string, readonly number[]],
  ...[string, readonly number[]][],
];
const table = new Table({ head: ['step', ...curves.keys()], style: { head: [], border: [] } });
first.forEach((_, i) => table.push([i + 1, ...[...curves.values()].map((losses) => losses[i]!.toFixed(6))]));
console.log(table.toString());
for (const [name, losses] of others) {
  const worst = apart(losses, first);
  console.log(`${name}: at most ${worst.toExponential(1)} from ${reference}`);
  if (!(worst <= tolerance)) process.exitCode = 1;
}
console.log(process.exitCode ? `beyond ${tolerance}` : `all within ${tolerance}`);
