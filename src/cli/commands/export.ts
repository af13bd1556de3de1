import { Command, Option } from '@commander-js/extra-typings';
import { InputError } from '../../runtime/index.ts';
import { firstWeights, networkFor, runWeights } from '../experiment/export-weights.ts';
import { count, eps, rate, seed } from '../options.ts';
import { artifactsFor, checkArtifacts, readArtifacts, writeArtifacts } from '../experiment/ort-training.ts';

/** What onnxruntime's training API begins with, whatever the checkpoint says. */
const apiLearningRate = 1e-3;

/** `sparring export`: the files of a training step for another engine. */
export function exportCommand() {
  return new Command('export')
    .description(
      "Write a training step as onnxruntime's own training API reads it, or check what was written.",
    )
    .argument('[out]', 'folder to make')
    .option('--ort-training', 'training_model, eval_model and optimizer_model (ONNX) and checkpoint')
    .addOption(new Option('--model <name>', 'what is trained').choices(['classifier', 'attacker']))
    .option('--run <dir>', 'weights, running statistics and Adam of a run, and its settings')
    .option('--cell <name>', 'with --run: which cell, where it has several')
    .option('--initial', "with --run: begin with the first weights, against the run's trained classifier")
    .addOption(new Option('--network <name>', 'which classifier (c1)').choices(['c1', 'c2']))
    .option('--seed <integer>', 'without --run: seed of the weights (1)', seed)
    .option('--eps <number>', 'without --run: largest change of a pixel, in (0, 1] (0.16)', eps)
    .addOption(
      new Option('--bound <bound>', 'without --run: how it is held (tanh)').choices(['tanh', 'clamp']),
    )
    .option('--no-clip', 'without --run: leave image + perturbation as it is')
    .option('--batch-size <n>', "images a step (the run's, or 100)", count)
    .option('--learning-rate <rate>', "Adam's learning rate (the run's, or 0.001)", rate)
    .option('--check <dir>', 'check that the four files of a folder belong together')
    .action(async (out, flags) => {
      if (flags.check !== undefined) return await checkFolder(flags.check);
      if (!flags.ortTraining) throw new InputError('say what to export: --ort-training, or --check DIR');
      if (!flags.model) throw new InputError('say which model: --model classifier or --model attacker');
      if (!out) throw new InputError('say where to: sparring export --ort-training --model NAME OUT');
      const { run, model, batchSize, learningRate } = flags;
      const asked = { ...flags, model, network: flags.network ?? ('c1' as const) };
      const weights = run === undefined ? firstWeights(asked) : await runWeights(run, asked);
      const settings = {
        ...weights.settings,
        ...(batchSize && { batchSize }),
        ...(learningRate && { learningRate }),
      };
      const artifacts = artifactsFor({ ...networkFor(model, settings), ...settings, ...weights });
      await writeArtifacts(out, artifacts);
      console.log(`${out}: training_model.onnx, eval_model.onnx, optimizer_model.onnx, checkpoint`);
      console.log(`${weights.what}; batches of ${settings.batchSize}`);
      if (settings.learningRate !== apiLearningRate) {
        console.log(
          `onnxruntime begins with learning rate ${apiLearningRate}; set ${settings.learningRate} by SetLearningRate`,
        );
      }
    });
}

async function checkFolder(folder: string): Promise<void> {
  const { trainable, frozen, optimizer } = checkArtifacts(await readArtifacts(folder), folder);
  const numbers = [...trainable.values()].reduce((n, { data }) => n + data.length, 0);
  console.log(
    `${folder}: ${trainable.size} trained tensors (${numbers} numbers) and ${frozen.size} others, after ` +
      `${optimizer.step} steps; models and checkpoint fit`,
  );
}
