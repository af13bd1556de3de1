import { Command, Option } from '@commander-js/extra-typings';
import { join } from 'node:path';
import { bind, constant, encodeProgram, lower, type Program } from '../builder/index.ts';
import { attackerInfer, attackerTrain, classifierInfer, classifierTrain } from '../models/programs.ts';
import {
  configHash,
  createRun,
  drawSamples,
  finishRun,
  InputError,
  limit,
  loadCheckpoint,
  loadDataset,
  openRun,
  recordEpoch,
  refuseExisting,
  restoreMetrics,
  saveCheckpoint,
  train,
  type Checkpoint,
  type Programs,
  type Result,
  type RunConfig,
  type RunFolder,
  type Split,
  type Tensors,
} from '../runtime/index.ts';
import { count, defaultThreads, eps, presets, rate, seed } from './options.ts';
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
    .option('--threads <n>', 'threads of the CPU (default: one a core); part of what decides the bits', count)
    .option('--out <dir>', 'run folder to make (default: runs/<date and time>)')
    .option('--resume <dir>', 'go on with an interrupted run')
    .option('--json', 'print the result as JSON on stdout')
    .addHelpText('after', `\nPresets (each value can be set by its own flag):\n${describePresets()}`)
    .action(async (flags, command) => {
      const started = performance.now();
      const progress = createProgress(process.stderr);
      const given = command.options
        .map((o) => o.attributeName())
        .filter((name) => command.getOptionValueSource(name) === 'cli');
      try {
        const run = flags.resume === undefined ? await begin(flags) : await goOn(flags.resume, given);
        const { result, interrupted } = await runToEnd(run, progress, started);
        if (interrupted) {
          process.stderr.write(
            `saved ${run.folder.checkpoint}; go on with: sparring train --resume ${run.folder.path}\n`,
          );
          process.exitCode = interrupted === 'SIGINT' ? 130 : 143;
        } else if (result) report(result, run.folder, flags.json === true);
      } finally {
        progress.done();
      }
    });
}

interface Flags extends Partial<Omit<RunConfig, 'device' | 'data' | 'trainLimit' | 'testLimit'>> {
  readonly preset: string | true;
  readonly trainLimit?: number;
  readonly testLimit?: number;
  readonly data?: string;
  readonly device?: string;
  readonly out?: string;
}

/** A run that is ready to go. */
interface Prepared {
  readonly folder: RunFolder;
  readonly config: RunConfig;
  readonly train: Split;
  readonly test: Split;
  readonly from: Checkpoint | null;
}

/** A new run: everything is checked before its folder is made. */
async function begin(flags: Flags): Promise<Prepared> {
  const preset = presets[flags.preset as keyof typeof presets];
  if (flags.device === 'cuda' || flags.device === 'webgpu') {
    throw new InputError(`--device ${flags.device} cannot train yet; use --device cpu`);
  }
  const out = flags.out ?? join('runs', timestamp());
  await refuseExisting(out);
  const source = flags.data ?? 'mnist';
  const dataset = await loadDataset(source);
  const own = Object.fromEntries(
    Object.keys(preset).flatMap((key) => (key in flags ? [[key, flags[key as keyof Flags]]] : [])),
  ) as Partial<RunConfig>;
  const config: RunConfig = {
    schema: 1,
    ...preset,
    ...own,
    trainLimit: flags.trainLimit ?? null,
    testLimit: flags.testLimit ?? null,
    data: { source, sha256: dataset.sha256 },
    device: 'cpu',
    threads: flags.threads ?? defaultThreads,
  };
  const splits = limited(dataset, config);
  return { folder: await createRun(out, config), config, ...splits, from: null };
}

/** An interrupted run, from its last checkpoint. Its options are its own: giving others is refused. */
async function goOn(path: string, given: readonly string[]): Promise<Prepared> {
  const other = given.find((name) => !['resume', 'json'].includes(name));
  if (other) {
    throw new InputError(
      `--resume goes on with the options of ${path}; leave out --${other.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
    );
  }
  const { folder, config } = await openRun(path);
  const dataset = await loadDataset(config.data.source);
  if (dataset.sha256 !== config.data.sha256) {
    throw new InputError(
      `${config.data.source} is not the data that ${path} began with (sha256 ${dataset.sha256.slice(0, 12)}...); put that back`,
    );
  }
  const from = await loadCheckpoint(folder.checkpoint, configHash(config));
  await restoreMetrics(folder, from?.position.records ?? []);
  return { folder, config, ...limited(dataset, config), from };
}

function limited(dataset: { readonly train: Split; readonly test: Split }, config: RunConfig) {
  const train = within('--train-limit', dataset.train, config.trainLimit);
  const test = within('--test-limit', dataset.test, config.testLimit);
  if (train.count < config.batchSize) {
    throw new InputError(
      `--batch-size ${config.batchSize} is more than the ${train.count} training images; take a smaller one`,
    );
  }
  return { train, test };
}

function within(option: string, split: Split, n: number | null): Split {
  try {
    return n === null ? split : limit(split, n);
  } catch (error) {
    throw new InputError(`${option}: ${(error as Error).message}`, { cause: error });
  }
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

function programsFor(config: RunConfig): Programs {
  const file = (program: Program) => ({
    bytes: encodeProgram({ ...program, graph: lower(program.graph, 'cpu') }),
    metadata: program.metadata,
  });
  const standalone = (program: Program) => (weights: Tensors) => {
    const values = program.metadata.frozen.map(
      ({ name }) => [name, constant(weights.get(name)!, name)] as const,
    );
    return encodeProgram({ ...program, graph: lower(bind(program.graph, new Map(values)), 'plain') });
  };
  return {
    classifierTrain: file(classifierTrain(config)),
    attackerTrain: file(attackerTrain(config)),
    classifierModel: standalone(classifierInfer()),
    attackerModel: standalone(attackerInfer(config)),
  };
}

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

const timestamp = (): string => new Date().toISOString().slice(0, 19).replaceAll(':', '-');

const describePresets = (): string =>
  Object.entries(presets)
    .map(
      ([name, preset]) =>
        `  ${name}: ${Object.entries(preset)
          .map(([key, value]) => `${key} ${value}`)
          .join(', ')}`,
    )
    .join('\n');
