// PGD-40 on the first test images, 1,000 unless said otherwise. `tsx bench/attacks.ts [classifier.onnx] [images] [turns]`
import { readFile } from 'node:fs/promises';
import { lower } from '../src/builder/index.ts';
import { decode, encode } from '../src/onnx/index.ts';
import { classifierGradientModel } from '../src/models/classifier/gradient.ts';
import { attackOf, drawsOf, toEnd, type Batch } from '../src/runtime/attacks/index.ts';
import { inOrder, type Batch as Stored } from '../src/runtime/data/source.ts';
import { openOracle } from '../src/runtime/audit/oracle.ts';
import { limit, loadDigits, stream } from '../src/runtime/index.ts';
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
const image = { channels: 1, height: 28, width: 28 };
const gradient = () => classifierGradientModel(graph, 'cpu', 'gap');
const oracle = await openOracle({ classifier, image, classes: 10, gradient }, options);
const split = limit((await loadDigits('mnist')).test, images);
const batches: (Stored & { readonly start: number })[] = [];
for await (const batch of inOrder(split, batchSize)) batches.push(batch);

async function attack(): Promise<Float32Array[]> {
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

const times: number[] = [];
for (let turn = 0; turn < turns; turn++) {
  const started = performance.now();
  await attack();
  times.push((performance.now() - started) / 1000);
}
const seconds = median(times);
console.log(`${seconds.toFixed(2)} s, ${(images / seconds).toFixed(0)} images/s`);
await oracle.close();
