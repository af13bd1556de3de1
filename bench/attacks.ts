// PGD-40 on the first test images, 1,000 unless said otherwise: an attack step in one graph (runtime/attack.ts) beside
// runtime/attacks, which asks for the gradient and steps in JavaScript. Both in one process, in turns; wall clock, and
// processor time, which other programs disturb less. `tsx bench/attacks.ts [classifier.onnx] [images] [turns]`
import { readFile } from 'node:fs/promises';
import { lower } from '../src/builder/index.ts';
import { decode, encode } from '../src/onnx/index.ts';
import { attackStepModel } from '../src/models/attacks.ts';
import { classifierGradientModel } from '../src/models/classifier-gradient.ts';
import { pgd, startsOf } from '../src/runtime/attack.ts';
import { attackOf, drawsOf, toEnd, type Batch } from '../src/runtime/attacks/index.ts';
import { inOrder } from '../src/runtime/batches.ts';
import { openOracle } from '../src/runtime/evaluation/oracle.ts';
import { limit, loadDataset, openModel, stream } from '../src/runtime/index.ts';
import { drawnClassifier } from '../test/support/classifiers.ts';
import { median } from './timing.ts';

const batchSize = 100;
const options = { device: 'cpu', threads: 2 } as const;
const settings = { steps: 40, stepSize: 2.5 / 40, restarts: 1 };
const eps = 0.08;
const seed = 1;

const [path, ofImages, ofTurns] = process.argv.slice(2);
const images = Number(ofImages ?? 1000);
const turns = Number(ofTurns ?? 5);
const graph = path
  ? decode(new Uint8Array(await readFile(path))).graph
  : drawnClassifier(stream(seed, 'bench'));
const classifier = encode(lower(graph, 'plain'));
const target = {
  step: await openModel(attackStepModel(graph, 'cpu'), options),
  classifier: await openModel(classifier, options),
};
const image = { channels: 1, height: 28, width: 28 };
const gradient = () => classifierGradientModel(graph, 'cpu', 'gap');
const oracle = await openOracle({ classifier, image, classes: 10, gradient }, options);
const split = limit((await loadDataset('mnist')).test, images);
const batches = [...inOrder(split, batchSize)];

async function before(): Promise<Float32Array[]> {
  const starts = startsOf({ ...settings, seed });
  const attacked: Float32Array[] = [];
  for (const batch of batches) {
    const { data } = await pgd(target, batch, { eps, clip: true }, { ...settings, seed }, starts);
    attacked.push(data as Float32Array);
  }
  return attacked;
}

async function now(): Promise<Float32Array[]> {
  const draws = drawsOf(seed, 'pgd');
  const threat = { norm: 'linf', eps, range: [0, 1], goal: 'untargeted' } as const;
  const attacked: Float32Array[] = [];
  for (const { start, image: tensor, label } of batches) {
    const labels = label.data as Int32Array;
    const batch: Batch = {
      images: { data: tensor.data as Float32Array, shape: [labels.length, 1, 28, 28] },
      labels,
      places: labels.map((_, i) => start + i),
    };
    const run = attackOf('pgd').run(oracle, batch, threat, settings, draws);
    attacked.push((await toEnd(run)).data);
  }
  return attacked;
}

const times: Record<'before' | 'now', number[]> = { before: [], now: [] };
const work: Record<'before' | 'now', number[]> = { before: [], now: [] };
const found: Partial<Record<'before' | 'now', readonly Float32Array[]>> = {};
for (let turn = 0; turn < turns; turn++) {
  for (const [name, run] of Object.entries({ before, now }) as ['before' | 'now', typeof now][]) {
    const [started, used] = [performance.now(), process.cpuUsage()];
    found[name] = await run();
    times[name].push((performance.now() - started) / 1000);
    const { user, system } = process.cpuUsage(used);
    work[name].push((user + system) / 1e6);
  }
}
let other = 0;
found.before!.forEach((part, i) => part.forEach((x, at) => (other += x === found.now![i]![at] ? 0 : 1)));
for (const [what, seconds] of Object.entries({ 'wall clock': times, processor: work })) {
  const [was, is] = [median(seconds.before), median(seconds.now)];
  console.log(`${what}: before ${was.toFixed(2)} s, now ${is.toFixed(2)} s, ratio ${(is / was).toFixed(3)}`);
}
console.log(`pixels that differ: ${other}`);
await target.step.close();
await target.classifier.close();
await oracle.close();
