import { Command, Option } from '@commander-js/extra-typings';
import { defenceDefaults, defences } from '../../models/adversarial.ts';
import { expectedData } from '../../runtime/data/formats.ts';
import { schedules } from '../../runtime/training/schedule.ts';
import { withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import { size } from '../audit/options.ts';
import { runHarden } from '../harden/run.ts';
import { amount, count, fractionBelowOne, rate, seed, threads } from '../options.ts';

const steps = defences.map((name) => `${name} ${defenceDefaults[name].steps}`).join(', ');

/** `sparring harden`: adversarial training of a classifier that somebody brings. */
export function hardenCommand() {
  const command = new Command('harden')
    .description(
      'Train the weights of an ONNX image classifier against attacks. The result is the same file with other weights.',
    )
    .argument('<model>', 'an ONNX file')
    .requiredOption('--data <source>', `labelled images to train on and to measure with: ${expectedData}`)
    .requiredOption('--eps <size>', 'largest change, in the unit of pixels in 0..1, such as 8/255', size)
    .requiredOption('--out <file>', 'where to write the hardened model')
    .addOption(
      new Option('--norm <norm>', 'how eps is measured: largest change of a pixel, or Euclidean length')
        .choices(['linf', 'l2'])
        .default('linf' as const),
    )
    .addOption(
      new Option('--method <method>', 'what is learned from; see docs/harden.md')
        .choices(defences)
        .default('pgd' as const),
    )
    .option('--resume', 'resume an interrupted training, with the options that it was started with')
    .option('--force', 'replace the files that a finished training left at --out')
    .optionsGroup('Training:')
    .option('--epochs <n>', 'passes over the training images', count, 10)
    .option('--batch-size <n>', 'images a step', count, 100)
    .option('--learning-rate <rate>', "Adam's learning rate at its peak", rate, 0.001)
    .addOption(
      new Option('--schedule <schedule>', 'how the learning rate changes')
        .choices(schedules)
        .default('one-cycle' as const),
    )
    .option('--warmup <epochs>', 'epochs over which eps rises from 0 (default: a quarter of all)', amount)
    .option('--average <decay>', 'average the weights with this decay, such as 0.999', fractionBelowOne)
    .option('--patience <n>', 'end after n epochs without a better robust accuracy', count)
    .option('--validation <n>', 'training images to hold out (default: a tenth, 1000 at most)', count)
    .option('--train-limit <n>', 'use n training images, drawn by the seed (default: all)', count)
    .option('--seed <integer>', 'of all random numbers', seed, 1)
    .optionsGroup('Attack inside a training step:')
    .option('--steps <n>', `gradient steps (default: ${steps})`, count)
    .option('--step-size <part>', 'the length of one, in parts of eps', amount)
    .option('--start <part>', 'size of the random start, in parts of eps', amount)
    .option(
      '--beta <weight>',
      `trades: weight of the robustness term (default: ${defenceDefaults.trades.beta})`,
      amount,
    )
    .optionsGroup('Running:')
    .option('--images <n>', 'test images of the audit before and after, drawn by the seed', count, 1000)
    .addOption(
      new Option('--device <device>', 'where to run')
        .choices(['auto', 'cpu', 'cuda', 'webgpu'])
        .default('cpu' as const),
    )
    .option('--threads <n>', 'threads of the CPU; results depend on it (default: one a core)', threads)
    .option('--data-labels <file>', 'the class of each picture of a folder: CSV or JSON; of an npy file: npy')
    .action(async (path, flags, self) => {
      const words = ['harden', ...(self.parent?.args.slice(1) ?? [])];
      await runHarden(path, flags, self.opts() as AdoptFlags, words);
    });
  return withAdoptOptions(command);
}
