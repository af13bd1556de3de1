// Compares a universal perturbation that was trained here with one by a published formula, in Python, on the same images.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { z } from 'zod';
import { loadAttacker } from '../src/api/attacker.ts';
import { openLoaded } from '../src/api/classifier.ts';
import { loadClassifier } from '../src/api/load.ts';
import { node } from '../src/api/node.ts';
import { count } from '../src/cli/options.ts';
import { classifierGradientModel } from '../src/models/classifier/gradient.ts';
import { hasGraph } from '../src/models/classifier/read.ts';
import { measureAttacker } from '../src/runtime/attacker/measure.ts';
import { firstOf, limit } from '../src/runtime/data/source.ts';
import { loadDataset } from '../src/runtime/index.ts';
import { toEnd } from '../src/runtime/attacks/index.ts';
import type { Tensor } from '../src/runtime/tensor.ts';
import { runPython } from './python.ts';

const command = new Command('universal')
  .argument('<model>', 'a classifier')
  .argument('<attacker>', 'a universal attacker of one eps, of sparring train-attacker')
  .option('--data <source>', 'the images', 'mnist')
  .option('--train <n>', 'images that the published formula sees', count, 6000)
  .option('--test <n>', 'images that both are measured on', count, 1000)
  .option('--epochs <n>', 'how often it sees them', count, 8)
  .option('--batch-size <n>', 'images a step of it', count, 50)
  .option('--threads <n>', 'threads of ONNX Runtime', count, 2)
  .option('--python <path>', 'an interpreter that has onnxruntime and numpy', 'python3')
  .parse();
const [model, attackerFile] = command.processedArgs;
const { data, train, test, epochs, batchSize, threads, python } = command.opts();

/** A tensor as an npy file. */
function npy({ dtype, shape, data: values }: Tensor): Buffer {
  const descr = dtype === 'float32' ? '<f4' : '<i4';
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = Buffer.from(`${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`);
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 255, header.length >> 8]);
  return Buffer.concat([start, header, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]);
}

const loaded = await loadClassifier(node, model);
const attacker = await loadAttacker(node, attackerFile);
const { classifier } = loaded;
if (!hasGraph(classifier)) throw new Error(`${model}: ${classifier.noGradient}`);
if (attacker.kind !== 'universal' || typeof attacker.eps === 'number') {
  throw new Error(`${attackerFile} is no universal attacker`);
}
const eps = attacker.eps[1];
const dataset = await loadDataset(data, { shape: classifier.image, classes: classifier.classes });
const source = limit(dataset.test, test);
const opened = await openLoaded(node, loaded, { device: 'cpu', threads }, { universal: attacker });
const own = await toEnd(measureAttacker(opened, 'universal', source, eps));
await opened.close();

const folder = await mkdtemp(join(tmpdir(), 'sparring-universal-'));
try {
  const seen = await firstOf(dataset.train, train);
  const measured = await firstOf(source, test);
  await writeFile(join(folder, 'train-images.npy'), npy(seen.image));
  await writeFile(join(folder, 'train-labels.npy'), npy(seen.label));
  await writeFile(join(folder, 'test-images.npy'), npy(measured.image));
  await writeFile(join(folder, 'gradient.onnx'), classifierGradientModel(classifier.graph, 'cpu', 'ce'));
  const args = [folder, eps, epochs, batchSize, threads].map(String);
  const other = z
    .object({ fooling: z.number(), largest: z.number() })
    .parse(await runPython(python, 'universal.py', args));
  console.log(JSON.stringify({ eps, sparring: own.fooling, 'Shafahi et al. 2020': other.fooling }));
} finally {
  await rm(folder, { recursive: true });
}
