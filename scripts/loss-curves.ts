import { Command } from '@commander-js/extra-typings';
import Table from 'cli-table3';
import { encode, encodeProgram, lower, readback, type Target } from '../src/builder/index.ts';
import { count } from '../src/cli/options.ts';
import { attackerTrain, classifierTrain } from '../src/models/programs.ts';
import { batchAt } from '../src/runtime/batches.ts';
import { initialState, loadDataset, openTraining, type Device } from '../src/runtime/index.ts';

/** Where a curve is measured: the form of the program, and the device that runs it. */
const sides: readonly { readonly name: string; readonly target: Target; readonly device: Device }[] = [
  { name: 'CPU lowered', target: 'cpu', device: 'cpu' },
  { name: 'CPU plain', target: 'plain', device: 'cpu' },
  { name: 'WebGPU', target: 'webgpu', device: 'webgpu' },
  { name: 'CUDA', target: 'cpu', device: 'cuda' },
];

const { steps, batch, devices } = new Command('loss-curves')
  .description('Loss of each attacker step on several devices, from the same weights and images.')
  .option('--steps <n>', 'attacker steps', count, 30)
  .option('--batch <n>', 'images a step', count, 4)
  .option('--devices <names...>', 'of cpu, webgpu, cuda', ['cpu', 'webgpu'])
  .parse()
  .opts();

const settings = { batchSize: batch, learningRate: 1e-3 };
const target = classifierTrain(settings);
const program = attackerTrain({ ...settings, eps: 0.16, bound: 'tanh', clip: true });
const { train } = await loadDataset('mnist');

const curves = new Map<string, readonly number[]>();
for (const { name, target: form, device } of sides.filter((side) => devices.includes(side.device))) {
  const file = {
    bytes: encodeProgram({ ...program, graph: lower(program.graph, form) }),
    metadata: program.metadata,
    readback: encode(readback(program)),
  };
  const state = initialState(program.metadata, [1, 'attacker']);
  const frozen = initialState(target.metadata, [1, 'c1']);
  const training = await openTraining(file, state, frozen, { device, threads: 2 });
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const indices = Array.from({ length: batch }, (_, i) => step * batch + i);
    losses.push((await training.step({ ...batchAt(train, indices) }))['loss']!);
  }
  await training.close();
  curves.set(name, losses);
}

const names = [...curves.keys()];
const first = curves.get(names[0]!)!;
const table = new Table({ head: ['step', ...names], style: { head: [], border: [] } });
first.forEach((_, i) => table.push([i + 1, ...names.map((name) => curves.get(name)![i]!.toFixed(6))]));
console.log(table.toString());
for (const [name, losses] of curves) {
  const worst = Math.max(...losses.map((loss, i) => Math.abs(loss - first[i]!)));
  console.log(`${name}: at most ${worst.toExponential(1)} from ${names[0]}`);
}
