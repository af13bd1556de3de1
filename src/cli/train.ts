import { Command, Option } from '@commander-js/extra-typings';
import {
  configHash,
  drawSamples,
  finishRun,
  InputError,
  recordEpoch,
  saveCheckpoint,
  train,
  type Result,
  type RunFolder,
} from '../runtime/index.ts';
import { count, eps, presets, rate, seed, threads } from './options.ts';
import { begin, goOn, type Prepared } from './prepare.ts';
import { programsFor } from './programs.ts';
import { createProgress, type ProgressReporter } from './progress.ts';
import { accuracyTable } from './table.ts';
import { environment } from './version.ts';

/** `sparring train`: C1 and C2, then an attacker against C1; or the continuation of such a run. */
export function trainCommand() {
  return new Command('train')
    .description('Train two classifiers and an attacker, and measure clean, noisy and attacked accuracy.')
    .addOption(
      new Option('--preset <name>', 'settings to start from').choices(['quick', 'paper']).default('quick'),
    )
    .addOption(
      new Option('--mode <mode>', 'how attacker and classifier are trained').choices(['consecutive']),
    )
    .option('--eps <number>', 'largest change of a pixel, in (0, 1]', eps)
    .addOption(
      new Option('--bound <bound>', 'how the perturbation is held within eps').choices(['tanh', 'clamp']),
    )
    .option('--clip', 'clip attacked images to [0, 1]: valid images')
    .option('--no-clip', 'leave image + perturbation as it is: the paper')
    .option('--seed <integer>', 'seed of weights, order and noise', seed)
    .option('--batch-size <n>', 'images a step', count)
    .option('--classifier-epochs <n>', 'epochs of C1 and of C2', count)
    .option('--attacker-epochs <n>', 'epochs of the attacker', count)
    .option('--learning-rate <rate>', "Adam's learning rate", rate)
    .option('--train-limit <n>', 'use the first n training images', count)
    .option('--test-limit <n>', 'use the first n test images', count)
    .option('--data <source>', 'mnist, or a folder with IDX files, plain or .gz (default: mnist)')
    .addOption(
      new Option('--device <device>', 'where to run (default: auto)').choices([
        'auto',
        'cpu',
        'cuda',
        'webgpu',
      ]),
    )
    .option(
      '--threads <n>',
      'threads of the CPU (default: one a core); part of what decides the bits',
      threads,
    )
    .option('--out <dir>', 'run folder to make (default: runs/<date and time>)')
    .option('--resume <dir>', 'go on with an interrupted run')
    .option('--json', 'print the result as JSON on stdout')
    .addHelpText('after', `\nPresets (each value can be set by its own flag):\n${describePresets()}`)
    .allowExcessArguments()
    .action(async (flags, command) => {
      const [excess] = command.args;
      if (excess !== undefined)
        throw new InputError(`${excess} is one argument too many; train takes options only`);
      const started = performance.now();
      const progress = createProgress(process.stderr);
      const given = command.options
        .filter((o) => command.getOptionValueSource(o.attributeName()) === 'cli')
        .filter((o) => o.negate === (command.getOptionValue(o.attributeName()) === false))
        .map((o) => o.long!);
      try {
        const run = flags.resume === undefined ? await begin(flags) : await goOn(flags.resume, given);
        if (run.why) progress.log(`device ${run.config.device}: ${run.why}`);
        const { result, interrupted } = await runToEnd(run, progress, started);
        if (interrupted) {
          process.stderr.write(`saved ${run.folder.checkpoint}; go on with --resume ${run.folder.path}\n`);
          process.exitCode = interrupted === 'SIGINT' ? 130 : 143;
        } else if (result) report(result, run.folder, flags.json === true);
      } finally {
        progress.done();
      }
    });
}

/** Drives the run: progress to the terminal, epochs and checkpoints to the folder. */
async function runToEnd(
  { folder, config, from, ...splits }: Prepared,
  progress: ProgressReporter,
  started: number,
): Promise<{ readonly result?: Result; readonly interrupted?: NodeJS.Signals }> {
  const stop = new AbortController();
  let signal: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (signal) process.exit(name === 'SIGINT' ? 130 : 143);
    signal = name;
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const options = { config, ...splits, programs: programsFor(config), from, signal: stop.signal };
    for await (const event of train(options)) {
      switch (event.kind) {
        case 'step':
          progress.update({
            title: `${titles[event.network]} epoch ${event.epoch}/${event.epochs}`,
            done: event.done,
            total: event.total,
            note: `loss ${event.loss.toFixed(3)}`,
          });
          break;
        case 'evaluate':
          progress.update({ title: 'test', done: event.done, total: event.total });
          break;
        case 'epoch':
          await recordEpoch(folder, config, event.record, event.checkpoint);
          break;
        case 'interrupted':
          progress.done();
          await saveCheckpoint(folder.checkpoint, event.checkpoint, configHash(config));
          return { interrupted: signal! };
        case 'done': {
          const { models, position } = event;
          const samples = await drawSamples(splits.test, models, config, position.records.at(-1)!.c1);
          const seconds = Math.round((performance.now() - started) / 100) / 10;
          const provenance = {
            models,
            samples,
            records: position.records,
            environment: await environment(config, seconds),
          };
          return { result: await finishRun(folder, config, provenance) };
        }
        default:
          event satisfies never;
      }
    }
    return {};
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

const titles = { c1: 'C1', c2: 'C2', attacker: 'attacker' } as const;

function report(result: Result, folder: RunFolder, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(result, null, 2));
    return;
  }
  const { final } = result.runs[0]!;
  const rows = (['c1', 'c2'] as const).map((name) => ({
    name: name.toUpperCase(),
    clean: final[name].clean,
    noise: final[name].noise,
    attacked: final[name].attacked!,
  }));
  console.log(accuracyTable(rows));
  for (const path of [folder.result, folder.metrics, folder.c1, folder.c2, folder.attacker, folder.samples])
    console.log(path);
}

const describePresets = (): string =>
  Object.entries(presets)
    .map(
      ([name, preset]) =>
        `  ${name}: ${Object.entries(preset)
          .map(([key, value]) => `${key} ${value}`)
          .join(', ')}`,
    )
    .join('\n');
