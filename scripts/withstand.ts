// Measures which C1 of a run withstands which attacker, by commands of sparring, and writes the run's withstand.json. What is
// there already is not done again, and a command that was interrupted resumes.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from '@commander-js/extra-typings';
import { readAudit } from '../src/cli/audit/before.ts';
import { writePage } from '../src/cli/experiment/write-report.ts';
import { count, defaultThreads } from '../src/cli/options.ts';
import { environment } from '../src/cli/version.ts';
import { describeModel } from '../src/onnx/index.ts';
import { attackerMetadata, AttackerCard } from '../src/runtime/attacker/card.ts';
import { isOtherChoice } from '../src/runtime/audit/demands.ts';
import { wilson } from '../src/runtime/audit/wilson.ts';
import { writeAtomic } from '../src/runtime/files.ts';
import { Withstand, type Withstood } from '../src/runtime/experiment/withstand.ts';
import { cellFolder, readEvaluation, readResult, runFolder, type CellResult } from '../src/runtime/index.ts';
import { sparring } from './sparring.ts';

const command = new Command('withstand')
  .description(
    'Measures which C1 of a finished run withstands which attacker; writes withstand.json into it.',
  )
  .argument('<run>', 'a finished run of sparring train, clipped')
  .option('--images <n>', 'test images of trained attackers, FGSM and PGD-40', count, 1000)
  .option('--audit-images <n>', 'test images of the standard audit', count, 1000)
  .option('--universal-epochs <n>', 'epochs of the universal perturbation', count, 5)
  .option('--threads <n>', 'threads of the CPU', count, defaultThreads)
  .parse();
const [run] = command.processedArgs;
const { images, auditImages, universalEpochs, threads } = command.opts();

const result = await readResult(runFolder(run));
if (!result) throw new Error(`${run}: no cell is finished yet`);
if (!result.config.clip)
  throw new Error(`${run}: its images are not clipped; an audit attacks valid images alone`);
if (result.config.against) throw new Error(`${run}: its classifier was given; name a run that trained C1`);
if (result.config.readings)
  throw new Error(
    `${run}: has --reading ${result.config.readings.join()}; name a run without, as fresh attackers have`,
  );
const { data, batchSize, learningRate, attackerEpochs, trainLimit } = result.config;
const out = join(run, 'withstand');
const onCpu = { '--device': 'cpu', '--threads': threads };

/** Options as words; those that are null are left out. */
const options = (all: Readonly<Record<string, string | number | null>>): readonly string[] =>
  Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [name, String(value)]));

/** Fails where a file that is there is about another classifier. */
function demandSame(path: string, found: string | undefined, { models }: CellResult): void {
  if (found === models.c1) return;
  throw new Error(`${path} is of another classifier than that of ${run}; remove ${out}`);
}

/** A number and the command that it came from, which must have asked for as many images. */
function measured(accuracy: number, of: number, asked: number, words: readonly string[]): Withstood {
  if (of !== asked) throw new Error(`${out} has a number of ${of} images, not ${asked}; remove it`);
  return { accuracy, interval: wilson(accuracy * of, of), images: of, command: [...words] };
}

/** Another attacker, trained as that of a consecutive cell, against a C1 that no longer learns. */
async function fresh(cell: CellResult, c1: string): Promise<Withstood> {
  const folder = join(out, cell.folder, 'fresh');
  const words = [
    'train',
    ...options({ '--against': c1, '--eps': cell.eps, '--bound': cell.bound, '--seed': cell.seed + 100 }),
    '--clip',
    ...options({ '--batch-size': batchSize, '--attacker-epochs': attackerEpochs }),
    ...options({ '--learning-rate': learningRate, '--train-limit': trainLimit, '--test-limit': images }),
    ...options({ '--data': data.source, ...onCpu, '--out': folder }),
  ];
  const done = async () => (existsSync(folder) ? await readResult(runFolder(folder)) : null);
  if (!(await done())) {
    const isBegun = existsSync(runFolder(folder).config);
    await sparring(isBegun ? ['train', '--resume', folder] : words);
  }
  const { config, runs } = (await done())!;
  demandSame(folder, config.against?.sha256, cell);
  return measured(runs[0]!.final.c1.attacked!.accuracy, config.testLimit!, images, words);
}

/** One perturbation for all images. */
async function universal(cell: CellResult, c1: string): Promise<Withstood> {
  const file = join(out, cell.folder, 'universal.onnx');
  const words = [
    'train-attacker',
    c1,
    ...options({ '--kind': 'universal', '--eps': cell.eps, '--data': data.source }),
    ...options({ '--epochs': universalEpochs, '--seed': cell.seed, '--train-limit': trainLimit }),
    ...options({ '--test-limit': images, ...onCpu, '--out': file }),
  ];
  if (!existsSync(file)) await sparring(words);
  const { metadata } = describeModel(await readFile(file));
  const card = AttackerCard.parse(JSON.parse(metadata[attackerMetadata]!));
  demandSame(file, card.against[0]!.sha256, cell);
  const { attacked, images: of } = card.measured[0]!;
  if (card.training.epochs !== universalEpochs) throw new Error(`${file} has other epochs; remove it`);
  return measured(attacked, of, images, words);
}

/** The worst case of the attacks of the preset `standard`. */
async function standard(cell: CellResult, c1: string): Promise<Withstood> {
  const folder = join(out, cell.folder, 'standard');
  const words = [
    'audit',
    c1,
    ...options({ '--data': data.source, '--eps': cell.eps, '--preset': 'standard' }),
    ...options({ '--images': auditImages, '--eps-curve': 'none', ...onCpu, '--out': folder }),
  ];
  const file = join(folder, 'audit.json');
  if (!existsSync(file)) await sparring(words);
  const audit = await readAudit(file);
  demandSame(file, audit.classifier.sha256, cell);
  if (isOtherChoice(audit, { chosen: 'spread' }))
    throw new Error(`${file} is of the first images, as an earlier version took them; remove it`);
  return measured(audit.worst.accuracy, audit.images, auditImages, words);
}

const evaluateWords = [
  'evaluate',
  run,
  ...options({ '--attacks': 'fgsm,pgd,attacker', '--steps': 40, '--eps-curve': 'none' }),
  ...options({ '--test-limit': images, ...onCpu, '--out': out }),
];
const started = performance.now();
const evaluationFile = join(out, 'evaluation.json');
if (!existsSync(evaluationFile)) await sparring(evaluateWords);
const evaluation = (await readEvaluation(evaluationFile))!;
const withstands: Withstand['withstands'] = [];
for (const cell of result.runs) {
  const own = evaluation.cells.find(({ folder }) => folder === cell.folder);
  demandSame(evaluationFile, own?.models.c1, cell);
  const { clean, attacks } = own!.c1;
  const of = evaluation.data.images;
  const { c1 } = cellFolder(run, cell);
  withstands.push({
    folder: cell.folder,
    mode: cell.mode,
    eps: cell.eps,
    seed: cell.seed,
    model: cell.models.c1,
    clean,
    under: {
      universal: await universal(cell, c1),
      own: measured(attacks.attacker!.accuracy, of, images, evaluateWords),
      fresh: await fresh(cell, c1),
      fgsm: measured(attacks.fgsm!.accuracy, of, images, evaluateWords),
      pgd: measured(attacks.pgd!.accuracy, of, images, evaluateWords),
      standard: await standard(cell, c1),
    },
  });
}
const seconds = Math.round((performance.now() - started) / 100) / 10;
const document = Withstand.parse({
  schema: 1,
  environment: { ...(await environment({ device: 'cpu', threads })), seconds },
  data,
  withstands,
});
const file = join(run, 'withstand.json');
await writeAtomic(file, `${JSON.stringify(document, null, 2)}\n`);
console.log([file, await writePage(run)].join('\n'));
