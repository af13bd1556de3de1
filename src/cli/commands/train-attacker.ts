import { Command, Option } from '@commander-js/extra-typings';
import { attackerKinds, objectives } from '../../models/attackers.ts';
import { expectedData } from '../../runtime/data/formats.ts';
import { withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import { epsRange, weight } from '../attacker/options.ts';
import { runTrainAttacker } from '../attacker/run.ts';
import { count, rate, seed, threads } from '../options.ts';

/** `sparring train-attacker`: a network, or one perturbation for all images, that fools classifiers. */
export function trainAttackerCommand() {
  const command = new Command('train-attacker')
    .description(
      'Train an attacker of ONNX image classifiers: a network that makes a perturbation for each image in one pass, or one ' +
        'perturbation for all images. The same command resumes it after an interruption.',
    )
    .argument('<models...>', 'ONNX files; of several, the mean of their losses counts')
    .requiredOption('--data <source>', `labelled images: ${expectedData}`)
    .requiredOption(
      '--eps <sizes>',
      'largest change of a pixel, such as 8/255; or 0..16/255 for one attacker of every eps between',
      epsRange,
    )
    .requiredOption('--out <file>', 'the ONNX file to write')
    .optionsGroup('Attacker:')
    .addOption(
      new Option('--kind <kind>', 'a network, or one perturbation for all images')
        .choices(attackerKinds)
        .default('generator' as const),
    )
    .option('--targeted', 'one that is told the class to aim at')
    .option('--width <n>', 'channels of the first convolution of the network (the paper: 64)', count, 32)
    .addOption(
      new Option('--bound <bound>', 'how the perturbation of the network is held within eps')
        .choices(['tanh', 'clamp'])
        .default('tanh' as const),
    )
    .addOption(
      new Option(
        '--objective <name>',
        'what it minimises where it aims at no class: complement -log(1 - p), ce log p, as the paper; p of the label',
      )
        .choices(objectives)
        .default('complement' as const),
    )
    .option(
      '--spread <weight>',
      'also maximise the entropy of the mean answer, so that it does not call everything the same class',
      weight,
      0,
    )
    .optionsGroup('Training:')
    .option('--epochs <n>', 'times that it sees every image', count, 5)
    .option('--batch-size <n>', 'images a step', count, 100)
    .option('--learning-rate <rate>', "Adam's (default: 0.001, universal 0.02)", rate)
    .option('--seed <integer>', 'of weights, order, eps and targets', seed, 1)
    .option('--train-limit <n>', 'train on n images, drawn by the seed (default: all)', count)
    .option('--test-limit <n>', 'measure on n other images, drawn by the seed', count, 1000)
    .optionsGroup('Running:')
    .addOption(
      new Option('--device <device>', 'where to train').choices(['cpu', 'cuda']).default('cpu' as const),
    )
    .option('--threads <n>', 'threads of the CPU; the bits depend on it (default: one a core)', threads)
    .option('--json', 'print what was measured as JSON on stdout')
    .option('--force', 'replace the file, and start again')
    .action((models, flags, self) => {
      const words = ['train-attacker', ...(self.parent?.args.slice(1) ?? [])];
      return runTrainAttacker(models, flags, self.opts() as AdoptFlags, words);
    });
  return withAdoptOptions(command);
}
