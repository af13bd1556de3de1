import { Command, Option } from '@commander-js/extra-typings';
import {
  architectures,
  cellFolder,
  cellsOf,
  collapseLines,
  InputError,
  modes,
  sweep,
  type Mode,
  type Network,
  type Result,
  type RunFolder,
  type SweepEvent,
} from '../runtime/index.ts';
import { count, eps, listOf, mode, presets, rate, seed, shard, threads, type Preset } from './options.ts';
import { begin, goOn, type Prepared } from './prepare.ts';
import { programsFor } from './programs.ts';
import { createProgress, type ProgressReporter } from './progress.ts';
import { accuracyTable } from './table.ts';
import { environment } from './version.ts';
import { writePage } from './write-report.ts';

/** `sparring train`: C1 and C2, then an attacker against C1; or the continuation of such a run. */
export function trainCommand() {
  return new Command('train')
    .description('Train two classifiers and an attacker, and measure clean, noisy and attacked accuracy.')
    .addOption(
      new Option('--preset <name>', 'settings to start from').choices(['quick', 'paper']).default('quick'),
    )
    .option('--mode <modes>', 'consecutive, alternating (C1 learns from the attacks), or both', modeList)
    .option('--eps <numbers>', 'largest change of a pixel, in (0, 1]; more with commas between', listOf(eps))
    .addOption(
      new Option('--bound <bound>', 'how the perturbation is held within eps').choices(['tanh', 'clamp']),
    )
    .option('--clip', 'clip attacked images to [0, 1]: valid images')
    .option('--no-clip', 'leave image + perturbation as it is: the paper')
    .option('--seed <integers>', 'seed of weights, order and noise; more with commas between', listOf(seed))
    .addOption(
      new Option('--architecture <name>', 'network of C1 and C2 (default: paper)').choices(architectures),
    )
    .option('--batch-size <n>', 'images a step', count)
    .option(
      '--classifier-epochs <n>',
      'epochs of C1 and of C2 on clean images before there is an attacker',
      count,
    )
    .option(
      '--attacker-epochs <n>',
      'epochs of the attacker, and in mode alternating of C1 on attacked images',
      count,
    )
    .option('--targets <n>', 'train the attacker on the mean loss of C1 and n-1 further classifiers', count)
    .option('--against <file>', 'attack this ONNX classifier, image -> logits; no classifier is trained')
    .option('--transfer <file>', 'with --against: the ONNX classifier to measure transfer on, as on C2')
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
    .option(
      '--shard <i/n>',
      'train every n-th cell of the sweep, from the i-th on, in a run folder of its own below --out',
      shard,
    )
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
        const end = await runToEnd(run, progress, started);
        if (end.kind === 'done') {
          const page = await writePage(run.folder.path);
          return await report(end.result, run.folder, page, flags.json === true);
        }
        const goOnBy = `go on with --resume ${run.folder.path}`;
        if (end.error)
          throw new Error(
            `${run.config.device} failed: ${oneLine(end.error)}; saved ${end.saved}; ${goOnBy}`,
            { cause: end.error },
          );
        process.stderr.write(`saved ${end.saved}; ${goOnBy}\n`);
        process.exitCode = end.signal === 'SIGINT' ? 130 : 143;
      } finally {
        progress.done();
      }
    });
}

type End =
  | Extract<SweepEvent, { kind: 'done' }>
  | (Extract<SweepEvent, { kind: 'interrupted' }> & { readonly signal?: NodeJS.Signals });

/** Drives the run and shows its progress. */
async function runToEnd(
  { folder, config, train, test, standing, given }: Prepared,
  progress: ProgressReporter,
  started: number,
): Promise<End> {
  const stop = new AbortController();
  let signal: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (signal) process.exit(name === 'SIGINT' ? 130 : 143);
    signal = name;
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    const alone = cellsOf(config).length === 1;
    const titled = (training: string, title: string): string => (alone ? title : `${training}: ${title}`);
    const seconds = (): number => Math.round((performance.now() - started) / 100) / 10;
    const events = sweep({
      folder,
      config,
      train,
      test,
      programsFor: (cell) => programsFor(cell, given),
      standing,
      environment: () => environment(config, seconds()),
      signal: stop.signal,
    });
    for await (const event of events) {
      switch (event.kind) {
        case 'step': {
          const names = event.networks.map(titleOf).join(' and ');
          progress.update({
            title: titled(event.training, `${names} epoch ${event.epoch}/${event.epochs}`),
            done: event.done,
            total: event.total,
            note: `loss ${event.loss.toFixed(3)}`,
          });
          break;
        }
        case 'evaluate':
          progress.update({ title: titled(event.training, 'test'), done: event.done, total: event.total });
          break;
        case 'cell':
          break;
        case 'interrupted':
          progress.done();
          return { ...event, ...(signal && { signal }) };
        case 'done':
          return event;
        default:
          event satisfies never;
      }
    }
    throw new Error('the run ended without a result');
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** `target2` is told as `target 2`. */
const titleOf = (network: Network): string =>
  network === 'c1' || network === 'c2' ? network.toUpperCase() : network.replace('target', 'target ');

const oneLine = ({ message }: Error): string => message.split('\n', 1)[0]!;

async function report(
  result: Result,
  { path, ...files }: RunFolder,
  page: string,
  json: boolean,
): Promise<void> {
  if (json) {
    console.log(JSON.stringify(result, null, 2));
    return;
  }
  const alone = result.runs.length === 1;
  const { against, transfer } = result.config;
  const shown = against && !transfer ? (['c1'] as const) : (['c1', 'c2'] as const);
  const rows = result.runs.flatMap(({ folder, final }) =>
    shown.map((name) => ({
      name: alone ? name.toUpperCase() : `${folder} ${name.toUpperCase()}`,
      clean: final[name].clean,
      noise: final[name].noise,
      attacked: final[name].attacked!,
    })),
  );
  console.log(accuracyTable(rows));
  for (const line of await collapseLines(files.result, result)) console.log(line);
  for (const file of [page, files.result, files.metrics]) console.log(file);
  for (const run of result.runs) {
    const { c1, c2, attacker, samples, path: cell } = cellFolder(path, run);
    for (const file of alone ? [c1, c2, attacker, samples] : [cell]) console.log(file);
  }
}

const modeList = (text: string): Mode[] => (text === 'both' ? [...modes] : listOf(mode)(text));

const describePresets = (): string =>
  Object.entries(presets)
    .map(
      ([name, preset]) =>
        `  ${name}: ${Object.entries(preset)
          .map(([key, value]) => `${key} ${showSetting(value)}`)
          .join(', ')}`,
    )
    .join('\n');

const showSetting = (value: Preset[keyof Preset]): string =>
  typeof value !== 'object'
    ? String(value)
    : Array.isArray(value)
      ? value.join(',')
      : Object.entries(value)
          .map(([mode, n]) => `${mode} ${n}`)
          .join(' / ');
