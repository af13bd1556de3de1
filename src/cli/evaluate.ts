import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { classifierGradientModel } from '../models/classifier-gradient.ts';
import { selfTestModel } from '../models/selftest.ts';
import {
  attackNames,
  chooseDevice,
  crossAttack,
  evaluateCells,
  InputError,
  limit,
  loadDataset,
  readFinishedRun,
  warningsOf,
  writeEvaluation,
  type AttackName,
  type AttackSettings,
  type Evaluation,
  type EvaluationProgress,
  type FinishedRun,
  type MatrixCell,
} from '../runtime/index.ts';
import { count, defaultThreads, eps, listOf, rate, seed, threads } from './options.ts';
import { createProgress, type ProgressReporter } from './progress.ts';
import { textTable } from './table.ts';
import { environment } from './version.ts';
import { writePage } from './write-report.ts';

/** `sparring evaluate`: what noise, FGSM, PGD and the trained attackers leave of a run's classifiers. */
export function evaluateCommand() {
  return new Command('evaluate')
    .description('Measure what noise, FGSM, PGD and the attacker leave of the classifiers of a finished run.')
    .argument('<run>', 'folder of a finished run')
    .option('--attacks <list>', 'some of noise,fgsm,pgd,attacker', listOf(attack), [...attackNames])
    .option('--steps <n>', 'steps of PGD', count, 40)
    .option('--step-size <part>', "PGD's step in parts of eps (default: 2.5 / steps)", rate)
    .option('--restarts <n>', 'random starts of PGD; the best counts for each image by itself', count, 1)
    .option('--eps-curve <list>', 'eps of the accuracy-against-eps curves, or none', curve, defaultCurve)
    .option('--curve-images <n>', 'use the first n test images for the curves', count, 1000)
    .option('--test-limit <n>', "use the first n test images (default: the run's)", count)
    .option('--seed <integer>', 'seed of noise and random starts', seed, 1)
    .option('--matrix', 'every attacker against every classifier too')
    .option('--also <runs...>', 'more finished runs for the matrix')
    .addOption(
      new Option('--device <device>', 'where to run')
        .choices(['auto', 'cpu', 'cuda', 'webgpu'])
        .default('auto' as const),
    )
    .option('--threads <n>', 'threads of the CPU (default: one a core)', threads)
    .option('--json', 'print the evaluation as JSON on stdout')
    .action(async (path, flags, command) => {
      const started = performance.now();
      if (flags.also && !flags.matrix) throw new InputError('--also names runs for the matrix; add --matrix');
      const run = await readFinishedRun(path);
      const also: FinishedRun[] = [];
      for (const other of flags.also ?? []) also.push(sameData(run, await readFinishedRun(other)));
      const split = await testImages(run, flags.testLimit);
      const { device } = await chooseDevice(flags.device, selfTestModel());
      const options = { device, threads: flags.threads ?? defaultThreads };
      const attacks = attackNames
        .filter((name) => flags.attacks.includes(name))
        .map((name) => settingsOf(name, flags));
      const progress = createProgress(process.stderr);
      try {
        const found = await shown(
          progress,
          evaluateCells(run.cells, split, {
            ...options,
            attacks,
            makeGradient: (classifier, loss) => classifierGradientModel(classifier, device, loss),
            curve: flags.epsCurve,
            curveImages: flags.curveImages,
            doublingImages: 500,
          }),
        );
        const cells: MatrixCell[] = [
          ...run.cells.map((cell) => ({ run: '.', cell })),
          ...also.flatMap((other) => other.cells.map((cell) => ({ run: other.path, cell }))),
        ];
        const matrix = flags.matrix ? await shown(progress, crossAttack(cells, split, options)) : null;
        const seconds = Math.round((performance.now() - started) / 100) / 10;
        const unwritten = {
          environment: await environment(options, seconds),
          command: ['evaluate', ...(command.parent?.args.slice(1) ?? [])],
          data: { ...run.data, images: split.count },
          threat: {
            norm: 'Linf' as const,
            goal: 'untargeted' as const,
            precision: 'float32' as const,
            knowledge: { c1: 'white-box' as const, c2: 'transfer' as const },
          },
          attacks,
          cells: found.cells,
          curves: [...found.curves],
          doublings: [...found.doublings],
          matrix,
          warnings: [...warningsOf(found.cells, found.curves, found.doublings)],
        };
        const { evaluation, path: written } = await writeEvaluation(path, split, unwritten, found.attacked);
        progress.done();
        report(evaluation, [written, await writePage(path)], flags.json === true);
      } finally {
        progress.done();
      }
    });
}

const defaultCurve = [0.02, 0.04, 0.08, 0.12, 0.16, 0.2, 0.3, 0.5];

function attack(text: string): AttackName {
  const found = attackNames.find((name) => name === text);
  if (!found) throw new InvalidArgumentError(`It must be some of ${attackNames.join(',')}, got ${text}.`);
  return found;
}

function curve(text: string): number[] {
  if (text === 'none') return [];
  return listOf(eps)(text).sort((a, b) => a - b);
}

interface AttackFlags {
  readonly steps: number;
  readonly stepSize?: number;
  readonly restarts: number;
  readonly seed: number;
}

function settingsOf(
  attack: AttackName,
  { steps, stepSize = 2.5 / steps, restarts, seed: from }: AttackFlags,
): AttackSettings {
  switch (attack) {
    case 'noise':
      return { attack, seed: from };
    case 'fgsm':
      return { attack, loss: 'cross-entropy', steps: 1, stepSize: 1 };
    case 'pgd':
      return { attack, loss: 'cross-entropy', steps, stepSize, restarts, start: 'uniform', seed: from };
    case 'attacker':
      return { attack };
    default:
      return attack satisfies never;
  }
}

async function testImages(run: FinishedRun, asked: number | undefined) {
  const { source, sha256 } = run.data;
  const dataset = await loadDataset(source);
  if (dataset.sha256 !== sha256) {
    throw new InputError(
      `${source} is not the data of ${run.path} (sha256 ${dataset.sha256.slice(0, 12)}...); put that back`,
    );
  }
  const n = asked ?? run.testLimit;
  try {
    return n === null ? dataset.test : limit(dataset.test, n);
  } catch (error) {
    throw new InputError(`--test-limit: ${(error as Error).message}`, { cause: error });
  }
}

function sameData(run: FinishedRun, other: FinishedRun): FinishedRun {
  if (other.data.sha256 === run.data.sha256) return other;
  throw new InputError(`${other.path} was trained on other data than ${run.path}; leave it out of --also`);
}

/** Runs work to its end, with its progress on the terminal. */
async function shown<T>(progress: ProgressReporter, work: AsyncGenerator<EvaluationProgress, T>): Promise<T> {
  for (;;) {
    const next = await work.next();
    if (next.done) return next.value;
    progress.update(next.value);
  }
}

function report(evaluation: Evaluation, written: readonly string[], json: boolean): void {
  for (const { folder, classifier, message } of evaluation.warnings) {
    process.stderr.write(`warning: ${folder} ${classifier}: ${message}\n`);
  }
  if (json) {
    console.log(JSON.stringify(evaluation, null, 2));
    return;
  }
  const { attacks, cells, matrix } = evaluation;
  const percent = (measure: { readonly accuracy: number } | undefined): string =>
    measure ? `${(100 * measure.accuracy).toFixed(1)} %` : '';
  const titles = { noise: 'noise', fgsm: 'FGSM', pgd: `PGD-${stepsOf(attacks)}`, attacker: 'attacker' };
  console.log(
    textTable(
      ['accuracy left', 'clean', ...attacks.map(({ attack }) => titles[attack]), 'worst case'],
      cells.flatMap((cell) =>
        (['c1', 'c2'] as const).map((classifier) => {
          const { knowledge, clean, attacks: found, worst } = cell[classifier];
          const name = `${cell.folder} ${classifier.toUpperCase()} ${knowledge}`;
          return [
            name,
            percent(clean),
            ...attacks.map(({ attack }) => percent(found[attack])),
            percent(worst),
          ];
        }),
      ),
    ),
  );
  if (matrix) {
    console.log(
      textTable(
        ['attacker / classifier', ...matrix.classifiers.map(({ name }) => name)],
        matrix.attackers.map(({ name }, i) => [name, ...matrix.attacked[i]!.map(percent)]),
      ),
    );
  }
  for (const path of written) console.log(path);
}

const stepsOf = (attacks: readonly AttackSettings[]): number | '' =>
  attacks.find((each) => each.attack === 'pgd')?.steps ?? '';
