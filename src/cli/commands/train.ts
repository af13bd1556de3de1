import { Command, Option } from '@commander-js/extra-typings';
import { defences } from '../../models/adversarial.ts';
import {
  architectures,
  cellFolder,
  cellsOf,
  classifiersShown,
  collapseLines,
  expectedData,
  InputError,
  paperModes,
  paperData,
  readings,
  sweep,
  type Mode,
  type Result,
  type RunFolder,
  type SweepEvent,
} from '../../runtime/index.ts';
import { adoption, withAdoptOptions, type AdoptFlags } from '../adopt-options.ts';
import { commandLine } from '../command-line.ts';
import {
  count,
  eps,
  folder,
  listOf,
  mode,
  presets,
  rate,
  reading,
  seed,
  shard,
  threads,
  type Preset,
} from '../options.ts';
import { epochTitle, followPlan, planOf, testTitle } from '../experiment/plan.ts';
import { begin, resume, type Prepared } from '../experiment/prepare.ts';
import { programsFor } from '../experiment/programs.ts';
import { drawSamples } from '../experiment/pictures.ts';
import { createProgress, type ProgressReporter } from '../progress.ts';
import { exitCodeOf, quitHint, stopController, type StopSignal } from '../signals.ts';
import { accuracyTable, columnsOf, wrapped } from '../table.ts';
import { environment } from '../version.ts';
import { writePage } from '../experiment/write-report.ts';

/** `sparring train`: C1 and C2, then an attacker against C1; or the continuation of such a run. */
export function trainCommand() {
  const own = new Command('train')
    .description('Train two classifiers and an attacker, and measure clean, noisy and attacked accuracy.')
    .optionsGroup('Run:')
    .addOption(
      new Option('--preset <name>', 'settings to start from; see below')
        .choices(['quick', 'paper'])
        .default('quick'),
    )
    .option('--out <dir>', 'run folder to make (default: runs/<date and time>)', folder)
    .option('--resume <dir>', 'resume an interrupted run, with the options that it was started with', folder)
    .option(
      '--shard <i/n>',
      'train every n-th cell of the sweep, from the i-th on, in a run folder of its own below --out',
      shard,
    )
    .addOption(
      new Option('--device <device>', 'where to run (default: auto, the fastest that works)').choices([
        'auto',
        'cpu',
        'cuda',
        'webgpu',
      ]),
    )
    .option('--threads <n>', 'threads of the CPU; results depend on it (default: one a core)', threads)
    .option('--json', 'print the result as JSON on stdout')
    .optionsGroup('Data:')
    .option(
      '--data <source>',
      `${expectedData}; with --resume, where the data is now (default: ${paperData})`,
    )
    .option('--train-limit <n>', 'use the first n training images (default: all)', count)
    .option('--test-limit <n>', 'use the first n test images (default: all)', count)
    .optionsGroup('Attack:')
    .option(
      '--eps <numbers>',
      `largest change of a pixel, in (0, 1], such as 0.16 or 8/255; separate several by commas ${ofPreset('eps')}`,
      listOf(eps),
    )
    .option(
      '--mode <modes>',
      `consecutive, alternating (C1 learns from the attacks), both, or hardened (C1 learns from gradient attacks) ${ofPreset('modes')}`,
      modeList,
    )
    .addOption(
      new Option(
        '--defence <method>',
        'train hardened cells too: C1 learns from gradient attacks before the attacker is trained (with --mode hardened: pgd)',
      ).choices(defences),
    )
    .addOption(
      new Option('--bound <bound>', `how the perturbation is held within eps ${ofPreset('bound')}`).choices([
        'tanh',
        'clamp',
      ]),
    )
    .option('--clip', 'clip attacked images to [0, 1], so that they are valid images (the default)')
    .option('--no-clip', 'leave image + perturbation as it is, as the paper does')
    .option(
      '--targets <n>',
      'train the attacker on the mean loss of C1 and n-1 further classifiers (default: 1)',
      count,
    )
    .option('--against <file>', 'attack this ONNX classifier, image -> logits; no classifier is trained')
    .option('--transfer <file>', 'with --against: the ONNX classifier to measure transfer on, as on C2')
    .optionsGroup('Training:')
    .addOption(
      new Option('--architecture <name>', 'network of C1 and C2 (default: paper)').choices(architectures),
    )
    .option(
      '--classifier-epochs <n>',
      `epochs of C1 and of C2 on clean images before there is an attacker ${ofPreset('classifierEpochs')}`,
      count,
    )
    .option(
      '--attacker-epochs <n>',
      `epochs of the attacker, and in mode alternating of C1 on attacked images ${ofPreset('attackerEpochs')}`,
      count,
    )
    .option(
      '--defence-epochs <n>',
      'epochs of C1 on images under gradient attacks (default: as many as of the attacker)',
      count,
    )
    .option('--batch-size <n>', `images a step ${ofPreset('batchSize')}`, count)
    .option('--learning-rate <rate>', `Adam's learning rate ${ofPreset('learningRate')}`, rate)
    .option(
      '--seed <integers>',
      `seed of weights, order and noise; separate several by commas ${ofPreset('seeds')}`,
      listOf(seed),
    )
    .option(
      '--reading <names>',
      `other ways to read what the paper leaves open, separated by commas: ${readings.join(', ')}`,
      listOf(reading),
    )
    .addHelpText('after', `\nPresets (each value can be set by its own option):\n${describePresets()}`)
    .allowExcessArguments()
    .action(async (flags, command) => {
      const [excess] = command.args;
      if (excess !== undefined) {
        throw new InputError(`unexpected argument ${excess}; train takes options only`);
      }
      const started = performance.now();
      const progress = createProgress(process.stderr);
      const given = command.options
        .filter((o) => command.getOptionValueSource(o.attributeName()) === 'cli')
        .filter((o) => o.negate === (command.getOptionValue(o.attributeName()) === false))
        .map((o) => o.long!);
      // reading, the devices' self-tests and the first steps take seconds
      if (process.stderr.isTTY) {
        progress.log(flags.resume === undefined ? 'preparing the run' : `resuming ${flags.resume}`);
      }
      const run =
        flags.resume === undefined
          ? await begin(flags, await adoption(command.opts() as AdoptFlags))
          : await resume(flags.resume, given, flags.data);
      try {
        for (const warning of run.warnings) progress.log(`warning: ${warning}`);
        for (const note of run.notes) progress.log(note);
        if (run.why) progress.log(`device ${run.config.device}: ${run.why}`);
        const end = await runToEnd(run, progress, started);
        progress.done();
        if (end.kind === 'done') {
          const page = await writePage(run.folder.path);
          await report(end.result, run.folder, page, flags.json === true);
          if (end.note !== undefined) progress.log(end.note);
          return;
        }
        // data that has moved is still where it was said to be
        const moved = flags.resume !== undefined && flags.data !== undefined ? ['--data', flags.data] : [];
        const how = `saved ${end.saved}; resume with: ${commandLine('train', '--resume', run.folder.path, ...moved)}`;
        if (end.error) {
          throw new Error(`${run.config.device} failed: ${oneLine(end.error)}; ${how}`, { cause: end.error });
        }
        progress.log(how);
        process.exitCode = exitCodeOf(end.signal ?? 'SIGTERM');
      } finally {
        progress.done();
        await run.lock.release();
      }
    });
  // digits have their names
  return withAdoptOptions(own, ['labels', 'resize', 'interpolation']);
}

type End =
  | Extract<SweepEvent, { kind: 'done' }>
  | (Extract<SweepEvent, { kind: 'interrupted' }> & { readonly signal?: StopSignal });

/** Drives the run and shows its progress. */
async function runToEnd(
  { folder: paths, config, train, test, standing, given }: Prepared,
  progress: ProgressReporter,
  started: number,
): Promise<End> {
  const stop = stopController((signal) => progress.log(`${signal}: saving a checkpoint; ${quitHint}`));
  try {
    const alone = cellsOf(config).length === 1;
    const titled = (training: string, title: string): string => (alone ? title : `${training}: ${title}`);
    const overall = followPlan(planOf(config, { train: train.count, test: test.count }));
    const seconds = (): number => Math.round((performance.now() - started) / 100) / 10;
    const events = sweep({
      folder: paths,
      config,
      train,
      test,
      programsFor: (cell) => programsFor(cell, given),
      standing,
      environment: async () => ({ ...(await environment(config)), seconds: seconds() }),
      draw: drawSamples,
      signal: stop.signal,
    });
    for await (const event of events) {
      switch (event.kind) {
        case 'step':
        case 'evaluate': {
          const title =
            event.kind === 'step' ? epochTitle(event.networks, event.epoch, event.epochs) : testTitle;
          progress.update({
            title: titled(event.training, title),
            done: event.done,
            total: event.total,
            ...(event.kind === 'step' && { note: `loss ${event.loss.toFixed(3)}` }),
            overall: overall(event.training, title, event.done),
          });
          break;
        }
        case 'cell':
          break;
        case 'interrupted': {
          const signal = stop.received();
          return { ...event, ...(signal && { signal }) };
        }
        case 'done':
          return event;
        default:
          event satisfies never;
      }
    }
    throw new Error('the run ended without a result');
  } finally {
    stop.dispose();
  }
}

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
  const shown = classifiersShown(result.config);
  const rows = result.runs.flatMap(({ folder: cell, final }) =>
    shown.map((name) => ({
      name: alone ? name.toUpperCase() : `${cell} ${name.toUpperCase()}`,
      clean: final[name].clean,
      noise: final[name].noise,
      attacked: final[name].attacked!,
    })),
  );
  console.log(accuracyTable(rows));
  for (const line of await collapseLines(files.result, result)) {
    console.log(wrapped(line.split(/ (?!%)/), columnsOf(process.stdout)).join('\n'));
  }
  for (const file of [page, files.result, files.metrics]) console.log(file);
  for (const run of result.runs) {
    const paths = cellFolder(path, run);
    const own = [...shown, 'attacker' as const, 'samples' as const].map((name) => paths[name]);
    for (const file of alone ? own : [paths.path]) console.log(file);
  }
}

function modeList(text: string): Mode[] {
  return text === 'both' ? [...paperModes] : listOf(mode)(text);
}

/** What an option is without a preset's name, which is what --help says of its default. */
function ofPreset(key: keyof Preset): string {
  return `(default: ${valuesOf(presets.quick, key)})`;
}

function describePresets(): string {
  return Object.entries(presets)
    .map(([name, preset]) => {
      const flags = (Object.keys(preset) as (keyof Preset)[]).map((key) => flagOf(preset, key));
      return `  ${name}:\n${wrapped(flags, 76)
        .map((line) => `    ${line}`)
        .join('\n')}`;
    })
    .join('\n');
}

/** A setting as it is written on the command line. */
function flagOf(preset: Preset, key: keyof Preset): string {
  if (key === 'clip') return preset.clip ? '--clip' : '--no-clip';
  const name = ({ modes: 'mode', seeds: 'seed' } as Partial<Record<keyof Preset, string>>)[key] ?? key;
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${valuesOf(preset, key)}`;
}

function valuesOf(preset: Preset, key: keyof Preset): string {
  const value = preset[key];
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return value.join(',');
  const byMode = preset.modes.map((each) => [each, preset.classifierEpochs[each]] as const);
  return new Set(byMode.map(([, n]) => n)).size === 1
    ? String(byMode[0]![1])
    : byMode.map(([each, n]) => `${n} (${each})`).join(' or ');
}
