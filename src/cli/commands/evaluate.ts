import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from '@commander-js/extra-typings';
import { decode } from '../../onnx/index.ts';
import { classifierGradientModel } from '../../models/classifier/gradient.ts';
import { gradientEnds } from '../../models/classifier/ports.ts';
import { selfTestModel } from '../../models/selftest.ts';
import type { LossName } from '../../runtime/attacks/index.ts';
import {
  attackNames,
  checkCells,
  chooseDevice,
  crossAttack,
  evaluateCells,
  evaluationFrom,
  InputError,
  journalPath,
  limit,
  loadSameDigits,
  openJournal,
  probeWriting,
  readEvaluation,
  readFinishedRun,
  warningsOf,
  whatIsFuller,
  writeEvaluation,
  type AttackName,
  type AttackSettings,
  type Evaluation,
  type EvaluationProgress,
  type FinishedRun,
  type MatrixCell,
  type Planned,
  type Warning,
} from '../../runtime/index.ts';
import { commandLine } from '../command-line.ts';
import { followTasks, tasksOf } from '../experiment/evaluation-plan.ts';
import { evaluationTable, matrixTable } from '../experiment/evaluation-table.ts';
import { count, defaultThreads, eps, listOf, rate, seed, threads } from '../options.ts';
import { createProgress } from '../progress.ts';
import { exitCodeOf, quitHint, stopController } from '../signals.ts';
import { columnsOf } from '../table.ts';
import { environment } from '../version.ts';
import { writeEvaluationPage } from '../experiment/write-report.ts';

/** `sparring evaluate`: the accuracy of a run's classifiers under noise, FGSM, PGD and the trained attackers. */
export function evaluateCommand() {
  return new Command('evaluate')
    .description(
      'Measure the accuracy of the classifiers of a finished run under noise, FGSM, PGD and the attacker.',
    )
    .argument('[run]', 'folder of a finished run', latest)
    .option('--attacks <list>', 'some of noise,fgsm,pgd,attacker', listOf(attack), [...attackNames])
    .option('--steps <n>', 'steps of PGD', count, 40)
    .option('--step-size <part>', "PGD's step in parts of eps (default: 2.5 / steps)", rate)
    .option('--restarts <n>', 'random starts of PGD; the best counts for each image by itself', count, 1)
    .option('--eps-curve <list>', 'eps of the accuracy-against-eps curves, or none', curve, defaultCurve)
    .option('--curve-images <n>', 'use the first n test images for the curves', count, 1000)
    .option('--test-limit <n>', "use the first n test images (default: the run's)", count)
    .option('--data <source>', 'where the data of the run is now, if it was moved')
    .option('--seed <integer>', 'seed of noise and random starts', seed, 1)
    .option('--matrix', 'every attacker against every classifier too')
    .option('--also <runs...>', 'more finished runs for the matrix')
    .addOption(
      new Option('--device <device>', 'where to run')
        .choices(['auto', 'cpu', 'cuda', 'webgpu'])
        .default('auto' as const),
    )
    .option('--threads <n>', 'threads of the CPU (default: one a core)', threads)
    .option('--out <dir>', 'where to write the evaluation and its report (default: the run)')
    .option('--force', 'replace an evaluation that holds more than this one will')
    .option('--json', 'print the evaluation as JSON on stdout')
    .action(async (path, flags, command) => {
      const started = performance.now();
      const words = ['evaluate', ...(command.parent?.args.slice(1) ?? [])];
      if (flags.also && !flags.matrix) throw new InputError('--also names runs for the matrix; add --matrix');
      if (command.args.length === 0 && (flags.also?.length ?? 0) > 1) {
        const all = flags.also!.join(' ');
        throw new InputError(
          `--also takes all runs after it: ${all}; name the run to evaluate first: ` +
            `sparring evaluate ${latest} --matrix --also ${all}`,
        );
      }
      const run = await readRun(path);
      const also: FinishedRun[] = [];
      for (const other of flags.also ?? []) also.push(sameData(run, await readFinishedRun(other)));
      const split = await testImages(run, flags);
      const attacks = attackNames
        .filter((name) => flags.attacks.includes(name))
        .map((name) => settingsOf(name, flags));
      const matrixCells = flags.matrix ? matrixOf(run, also) : [];
      const out = flags.out ?? path;
      if (!flags.force) {
        await keepFuller(join(out, 'evaluation.json'), {
          cells: run.cells,
          images: split.count,
          attacks,
          curve: flags.epsCurve,
          curveImages: flags.curveImages,
          matrixAttackers: matrixCells.length,
        });
      }
      // the masks and losses of the largest cell, and something for the rest
      await probeWriting(out, run.cells, split.count * 24 * (attacks.length + 2) + 65_536);
      const { device } = await chooseDevice(flags.device, selfTestModel());
      const options = {
        device,
        threads: flags.threads ?? defaultThreads,
        makeGradient: (classifier: Uint8Array, loss: LossName) =>
          classifierGradientModel(classifier, device, loss),
        gradientEnds: (classifier: Uint8Array) => gradientEnds(decode(classifier).graph),
      };
      const found = await environment(options);
      const settings = {
        attacks,
        curve: flags.epsCurve,
        curveImages: flags.curveImages,
        doublingImages: 500,
      };
      const journal = await openJournal(
        journalPath(out, {
          ...settings,
          images: split.count,
          data: run.data.sha256,
          cells: matrixOf(run, []).map(identityOf),
          matrix: matrixCells.map(identityOf),
          versions: [found.sparring, found.commit, found.onnxruntime, found.device, found.threads],
        }),
      );
      const overall = followTasks(
        tasksOf({ ...settings, cells: run.cells, images: split.count, matrixAttackers: matrixCells.length }),
      );
      const progress = createProgress(process.stderr);
      const stop = stopController((signal) =>
        progress.log(`${signal}: keeping the attacks that are finished; ${quitHint}`),
      );
      const shown = <T>(work: AsyncGenerator<EvaluationProgress, T>): Promise<T> =>
        untilStopped(work, stop.signal, (at) => progress.update({ ...at, overall: overall(at) }));
      try {
        const doubts = await checkCells(run.cells, split, options);
        for (const line of warningLines(doubts)) progress.log(line);
        if (journal.count() > 0)
          progress.log(`resuming with ${parts(journal.count())} that were finished before`);
        const measured = await shown(evaluateCells(run.cells, split, { ...options, ...settings, journal }));
        const matrix = flags.matrix
          ? await shown(crossAttack(matrixCells, split, { ...options, journal }))
          : null;
        progress.done();
        const later = warningsOf(measured.cells, measured.curves, measured.doublings, split.classes.length);
        const evaluation = evaluationFrom({
          environment: { ...found, seconds: Math.round((performance.now() - started) / 100) / 10 },
          command: words,
          data: { ...run.data, images: split.count },
          threat: threatOf(run),
          attacks,
          cells: measured.cells,
          curves: [...measured.curves],
          doublings: [...measured.doublings],
          matrix,
          warnings: [...doubts, ...later],
        });
        for (const line of warningLines(later)) process.stderr.write(`${line}\n`);
        // printed first: what was measured must not be lost with a disk
        print(evaluation, flags.json === true);
        const written = [await writeEvaluation(out, split, evaluation, measured.attacked)];
        await journal.remove();
        written.push(await writeEvaluationPage(path, out, flags.data));
        if (!flags.json) for (const file of written) console.log(file);
      } catch (error) {
        if (!(error instanceof Interrupted)) throw error;
        progress.done();
        const saved = journal.failure() ?? `saved ${parts(journal.count())} of the evaluation`;
        process.stderr.write(`${saved}; resume with: ${commandLine(...words)}\n`);
        process.exitCode = exitCodeOf(stop.received()!);
      } finally {
        stop.dispose();
        progress.done();
      }
    });
}

/** Somebody asked the evaluation to stop. */
class Interrupted extends Error {}

/** Runs work to its end, or throws {@link Interrupted} at the first progress after the signal. */
async function untilStopped<T>(
  work: AsyncGenerator<EvaluationProgress, T>,
  signal: AbortSignal,
  show: (progress: EvaluationProgress) => void,
): Promise<T> {
  for (;;) {
    const next = await work.next();
    if (next.done) return next.value;
    show(next.value);
    if (!signal.aborted) continue;
    // closes the sessions
    await work.return(undefined as T);
    throw new Interrupted();
  }
}

const threatOf = ({ cells }: FinishedRun): Evaluation['threat'] => ({
  norm: 'Linf',
  goal: 'untargeted',
  precision: 'float32',
  knowledge: { c1: 'white-box', ...(cells.some(({ hasTransfer }) => hasTransfer) && { c2: 'transfer' }) },
});

const matrixOf = (run: FinishedRun, also: readonly FinishedRun[]): readonly MatrixCell[] => [
  ...run.cells.map((cell) => ({ run: '.', cell })),
  ...also.flatMap((other) => other.cells.map((cell) => ({ run: other.path, cell }))),
];

const latest = 'runs/latest';

async function readRun(path: string): Promise<FinishedRun> {
  if (path === latest && !existsSync(latest)) {
    throw new InputError(`there is no ${latest}; train a run first, or name the folder of one`);
  }
  return await readFinishedRun(path);
}

/** Rejects to replace an evaluation that holds more than the planned one will. */
async function keepFuller(path: string, planned: Planned): Promise<void> {
  const wayOut = 'write elsewhere with --out DIR, or replace it with --force';
  // what stands there and is no file is a matter of writing
  if ((await stat(path).catch(() => null))?.isFile() !== true) return;
  const before = await readEvaluation(path).catch((error: unknown) => {
    throw new InputError(`${(error as Error).message}; ${wayOut}`, { cause: error });
  });
  const more = before && whatIsFuller(before, planned);
  if (more) throw new InputError(`${path} holds more than this evaluation will: ${more}; ${wayOut}`);
}

/** What decides the numbers of a cell. */
const identityOf = ({ run, cell }: MatrixCell) => ({
  run,
  folder: cell.folder,
  eps: cell.eps,
  clip: cell.clip,
  models: cell.models,
  hasTransfer: cell.hasTransfer,
});

const parts = (n: number): string => (n === 1 ? '1 part' : `${n} parts`);

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

interface DataFlags {
  readonly data?: string;
  readonly testLimit?: number;
}

async function testImages(run: FinishedRun, { data, testLimit }: DataFlags) {
  const dataset = await loadSameDigits(run.path, run.data, data);
  const n = testLimit ?? run.testLimit;
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

/** Warnings as lines; what is said of several cells is said once. */
function warningLines(warnings: readonly Warning[]): readonly string[] {
  const groups = new Map<string, string[]>();
  for (const { folder, classifier, message } of warnings) {
    const key = `${classifier.toUpperCase()}: ${message}`;
    groups.set(key, [...(groups.get(key) ?? []), folder]);
  }
  return [...groups].map(([text, [first, ...others]]) => {
    const where = others.length === 0 ? first : `${first} and ${others.length} more cells`;
    return `warning: ${where} ${text}`;
  });
}

function print(evaluation: Evaluation, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(evaluation, null, 2));
    return;
  }
  const columns = columnsOf(process.stdout);
  console.log(evaluationTable(evaluation, columns));
  if (evaluation.matrix) console.log(matrixTable(evaluation.matrix, columns));
}
