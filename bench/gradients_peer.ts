import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Target } from '../src/builder/index.ts';
import { hasGraph, readClassifier } from '../src/models/classifier/read.ts';
import { classifierGradientModel } from '../src/models/classifier/gradient.ts';
import { openModel, type Model, type Tensor } from '../src/runtime/index.ts';
import { stream } from '../src/runtime/random.ts';
import { timed } from './timing.ts';

/**
 * Our side of `pnpm bench:gradients`, in a process of its own: `gradients_peer.ts FOLDER THREADS` is asked in lines,
 * `time NETWORK TARGET BATCH RUNS`, and answers each with the milliseconds of each run. A target is one of lowering, with
 * `-open` behind it for a program that takes any number of images.
 */
const [folder, threads] = process.argv.slice(2);
const options = { device: 'cpu', threads: Number(threads) } as const;
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
const say = (answer: unknown): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

interface Open {
  readonly key: string;
  readonly model: Model;
  readonly feeds: Readonly<Record<string, Tensor>>;
}
let current: Open | undefined;

async function opened(name: string, target: string, batch: number): Promise<Open> {
  const key = `${name} ${target} ${batch}`;
  if (current?.key === key) return current;
  await current?.model.close();
  const classifier = readClassifier(await readFile(join(folder!, `${name}.onnx`)));
  if (!hasGraph(classifier)) throw new Error(`${name}: ${classifier.noGradient}`);
  const { graph, image } = classifier;
  // as the audit opens it: for one number of images
  const [lowering, open] = target.split('-');
  const bytes = classifierGradientModel(graph, lowering as Target, 'ce', open ? undefined : batch);
  const model = await openModel(bytes, options);
  const shape = [batch, image.channels, image.height, image.width];
  const random = stream('bench', name);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.uniform());
  const feeds: Open['feeds'] = {
    image: { dtype: 'float32', shape, data },
    label: { dtype: 'int32', shape: [batch], data: new Int32Array(batch) },
  };
  current = { key, model, feeds };
  return current;
}

say({ name: `Sparring, ONNX Runtime ${version}` });
for await (const line of createInterface(process.stdin)) {
  const [, name, target, batch, runs] = line.split(' ');
  const { model, feeds } = await opened(name!, target!, Number(batch));
  say(await timed(async () => void (await model.run(feeds)), Number(runs)));
}
await current?.model.close();
