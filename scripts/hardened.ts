// Hardens a network that PyTorch's default exporter wrote, and has it judged by AutoAttack's own code before and after.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import * as nodeOrt from 'onnxruntime-node';
import * as webOrt from 'onnxruntime-web';
import { z } from 'zod';
import { count, eps as epsOf } from '../src/cli/options.ts';
import { firstOf, type ImageSource } from '../src/runtime/data/source.ts';
import { encodeSafetensors, loadDataset } from '../src/runtime/index.ts';
import type { Tensor } from '../src/runtime/tensor.ts';
import { runPython } from './python.ts';
import { sparring } from './sparring.ts';

const command = new Command('hardened')
  .description(
    'Trains a network in PyTorch, hardens its ONNX file, and prints what AutoAttack leaves of both; exits with 1 where ' +
      'anything but the weights has changed, or a runtime gives other logits.',
  )
  .option('--eps <size>', 'largest change of a pixel', epsOf, 0.1)
  .option('--train <n>', 'training images of both', count, 10_000)
  .option('--images <n>', 'test images', count, 500)
  .option('--threads <n>', 'threads of the CPU', count, 2)
  .option(
    '--python <path>',
    'an interpreter that has torch, onnx, onnxscript, onnxruntime and pyautoattack',
    'python3',
  )
  .argument('[options...]', 'other options of sparring harden, after --', [])
  .parse();
const { eps, train, images, threads, python } = command.opts();
const [options] = command.processedArgs;

/** How far logits may part between runtimes. */
const tolerance = 1e-3;

const Judged = z.object({
  images: z.int(),
  clean: z.number(),
  autoattack: z.number(),
  onnxruntimePart: z.number(),
  opset: z.unknown(),
  ir: z.unknown(),
  ports: z.unknown(),
  nodes: z.unknown(),
  initializers: z.unknown(),
});

async function write(path: string, source: ImageSource, n: number): Promise<void> {
  const { image, label } = await firstOf(source, n);
  await writeFile(
    path,
    encodeSafetensors(
      new Map([
        ['image', image],
        ['label', label],
      ]),
      {},
    ),
  );
}

/** The logits of a file whose weights lie outside, in onnxruntime-node and onnxruntime-web. */
async function logitsOf(path: string, { shape, data }: Tensor): Promise<readonly Float32Array[]> {
  const [model, weights] = [await readFile(path), await readFile(`${path}.data`)];
  const name = basename(path);
  const values = data as Float32Array;
  const inNode = await nodeOrt.InferenceSession.create(path);
  const inWeb = await webOrt.InferenceSession.create(new Uint8Array(model), {
    externalData: [{ path: `${name}.data`, data: new Uint8Array(weights) }],
  });
  const answers = [
    await inNode.run({ image: new nodeOrt.Tensor('float32', values, shape) }),
    await inWeb.run({ image: new webOrt.Tensor('float32', values, shape) }),
  ];
  return answers.map(({ logits }) => logits!.data as Float32Array);
}

const folder = await mkdtemp(join(tmpdir(), 'sparring-hardened-'));
try {
  const data = await loadDataset('mnist');
  await write(join(folder, 'train.safetensors'), data.train, train);
  await write(join(folder, 'test.safetensors'), data.test, images);
  await runPython(python, 'hardened.py', ['train', folder]);
  const [before, after] = [join(folder, 'before.onnx'), join(folder, 'after.onnx')];
  const own = ['--data', 'mnist', '--eps', String(eps), '--train-limit', String(train)];
  await sparring(['harden', before, ...own, '--threads', String(threads), ...options, '--out', after]);
  const judged = z
    .object({ before: Judged, after: Judged })
    .parse(await runPython(python, 'hardened.py', ['judge', folder, String(eps), String(threads)]));
  const { image: some } = await firstOf(data.test, 10);
  const [inNode, inWeb] = (await logitsOf(after, some)) as [Float32Array, Float32Array];
  const webPart = Math.max(...inNode.map((value, i) => Math.abs(value - inWeb[i]!)));
  const keys = ['opset', 'ir', 'ports', 'nodes', 'initializers'] as const;
  const changed = keys.filter(
    (key) => JSON.stringify(judged.before[key]) !== JSON.stringify(judged.after[key]),
  );
  const part = Math.max(webPart, judged.before.onnxruntimePart, judged.after.onnxruntimePart);
  for (const [name, { images: of, clean, autoattack }] of Object.entries(judged)) {
    console.log(JSON.stringify({ file: name, eps, images: of, clean, autoattack }));
  }
  console.log(JSON.stringify({ unchanged: keys.filter((key) => !changed.includes(key)), changed }));
  console.log(JSON.stringify({ 'logits of node, web, Python and PyTorch part by': part }));
  process.exitCode = changed.length > 0 || !(part < tolerance) ? 1 : 0;
} finally {
  await rm(folder, { recursive: true });
}
