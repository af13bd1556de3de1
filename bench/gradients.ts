import { Command } from '@commander-js/extra-typings';
import { availableParallelism } from 'node:os';
import { count } from '../src/cli/options.ts';
import { writeAtomic } from '../src/runtime/files.ts';
import { timeGradients } from './gradient-times.ts';

/** `pnpm bench:gradients`: the part of `pnpm bench` that times input gradients, alone. */
const command = new Command('bench:gradients')
  .description("Time classifiers' input gradients beside PyTorch, each side alone in its process.")
  .option('--python <path>', 'an interpreter that can import torch, torchvision and onnx')
  .option('--threads <n>', 'threads on every side', count, availableParallelism())
  .option('--rounds <n>', 'rounds; in each, every side has a turn', count, 3)
  .option('--only <network>', 'only networks whose name begins so')
  .option('--batch <n>', 'only this batch size', count)
  .option('--folder <dir>', 'where the exported networks are, or go; default: a folder that is removed')
  .option('--out <file>', 'where the figures go as JSON')
  .parse();

const { python, out, batch, ...options } = command.opts();
if (!python) {
  console.log('skipped: the networks and what they are compared with come from PyTorch; give --python PATH');
} else {
  const results = await timeGradients({
    python,
    ...options,
    ...(batch !== undefined && { batches: [batch] }),
  });
  if (out) await writeAtomic(out, `${JSON.stringify(results, null, 2)}\n`);
}
