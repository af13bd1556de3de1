import { Command, Option } from '@commander-js/extra-typings';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { count } from '../src/cli/options.ts';
import { commit } from '../src/cli/version.ts';
import { writeAtomic } from '../src/runtime/files.ts';
import { deviceNames } from '../src/runtime/index.ts';
import { timeGradients } from './gradient-times.ts';
import { measure } from './measure.ts';
import { profile } from './profile.ts';
import { printed, type Results } from './results.ts';
import * as sides from './sides.ts';

const command = new Command('bench')
  .description('Time our training steps, inferences and input gradients beside PyTorch and TensorFlow.js.')
  .option('--python <paths...>', 'interpreters that can import torch, each a side', [])
  .option('--compile', 'a further side for each interpreter: PyTorch through torch.compile')
  .option('--tfjs <dir>', 'folder with TensorFlow.js (npm install --prefix DIR @tensorflow/tfjs@4.22.0)')
  .option('--threads <n>', 'threads on every side', count, availableParallelism())
  .addOption(
    new Option('--device <name>', 'where we and PyTorch compute')
      .choices(deviceNames)
      .default('cpu' as const),
  )
  .option('--rounds <n>', 'rounds; in each, every side has a turn', count, 5)
  .option(
    '--only <jobs...>',
    'only jobs whose name begins so: c-step, a-step, d-step, c-infer, a-infer, first, peak, gradients',
  )
  .addOption(
    new Option('--batch <n...>', 'only jobs of these batch sizes; of the profile: 100').argParser(
      (text, before: readonly number[] | undefined) => [...(before ?? []), count(text)],
    ),
  )
  .option('--out <file>', 'where the JSON goes', 'bench/results.json')
  .option(
    '--profile',
    "print the costliest operators of a step (--only a-step|c-step|d-step) from ONNX Runtime's trace",
  )
  .parse();

const { python, compile, tfjs, out, ...options } = command.opts();
/** Whether only the input gradients are wanted. */
const onlyGradients = options.only?.every((name) => 'gradients'.startsWith(name)) ?? false;
const torchDevice = options.device === 'webgpu' ? 'cpu' : options.device;

if (options.profile) {
  await profile({ ...options, only: options.only?.[0], batch: options.batch?.[0] });
} else if (!onlyGradients) {
  const starts: readonly sides.Start[] = [
    sides.ours(options.threads, options.device),
    ...python.map((interpreter) => sides.torch(interpreter, options.threads, torchDevice)),
    ...(compile ? python : []).map((path) => sides.torch(path, options.threads, torchDevice, true)),
    ...(tfjs ? [sides.tfjs(tfjs)] : []),
  ];
  const measured = await measure(starts, python, options);
  const results: Results = {
    schema: 3,
    command: ['pnpm bench', ...process.argv.slice(2).map((arg) => (arg.includes('/') ? 'PATH' : arg))].join(
      ' ',
    ),
    environment: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: `${process.platform} ${process.arch}`,
      node: process.versions.node,
      threads: options.threads,
      device: options.device,
      rounds: options.rounds,
      commit: (await commit()) ?? 'not a checkout',
    },
    ...measured,
  };
  console.log(printed(results));
  await writeAtomic(out, `${JSON.stringify(results, null, 2)}\n`);
}

const [interpreter] = python;
const wantsGradients =
  !options.profile && (options.only?.some((name) => 'gradients'.startsWith(name)) ?? true);
if (wantsGradients && options.device === 'cpu' && interpreter !== undefined) {
  const { threads, rounds, batch } = options;
  await timeGradients({ python: interpreter, threads, rounds, ...(batch && { batches: batch }) });
} else if (wantsGradients) {
  console.log('input gradients of classifiers: skipped, they need --python PATH and --device cpu');
}
