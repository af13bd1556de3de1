// Attacks classifiers of which the truth is known, and says what the attacks find and miss of it.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { Command, Option } from '@commander-js/extra-typings';
import { followAudit } from '../src/cli/audit/follow.ts';
import { mergedParts, partsText } from '../src/cli/audit/parts.ts';
import { count, eps as epsOf, shard } from '../src/cli/options.ts';
import { createProgress } from '../src/cli/progress.ts';
import { environment } from '../src/cli/version.ts';
import { openClassifier, type OpenClassifier } from '../src/index.ts';
import { attackOf, toEnd, type Configured } from '../src/runtime/attacks/index.ts';
import { openParts, partsPath } from '../src/runtime/audit/parts-folder.ts';
import type { AuditPlan } from '../src/runtime/audit/plan.ts';
import { presets } from '../src/runtime/audit/presets.ts';
import { runAudit, type Measured, type Outcome } from '../src/runtime/audit/run-audit.ts';
import type { AuditEvent } from '../src/runtime/audit/work.ts';
import type { StoredSource } from '../src/runtime/index.ts';
import { beside } from './truth/beside.ts';
import { caseOf, imagesFrom, verdicts, type Verdict } from './truth/classifiers.ts';

const command = new Command('truth')
  .description(
    'Attacks WK17a (exact verdicts for 500 MNIST images at 0.1), the classifier of Wong et al. 2020 (0.3), that of ' +
      'sri_resnet_a (1/255), or one of your own of MNIST, and prints what is left after each attack; of WK17a, also which ' +
      'images are missed. A killed command resumes when it is given again.',
  )
  .argument('<classifier>', 'wk17a, wong_fgsm, sri_resnet_a, or the path of an ONNX file')
  .option('--folder <path>', 'where the classifiers and their verdicts are', '../shared/truth')
  .addOption(new Option('--preset <name>').choices(Object.keys(presets)).default('standard'))
  .option('--only <list>', 'some attacks of the preset, by name')
  .option('--images <n>', 'the first images', count, 500)
  .option('--from <n>', 'begins at this image', Number, 0)
  .option('--out <dir>', 'where finished parts are kept to resume from (default: audits/truth-<classifier>)')
  .option('--shard <i/n>', 'attacks one of n parts of the images; --merge the folders that it prints', shard)
  .option('--merge <dirs...>', 'takes the finished parts of shards from these folders')
  .option('--eps <size>', 'another than the published one; required for a classifier of your own', epsOf)
  .option('--batch <n>', 'images at a time', count, 100)
  .option('--threads <n>', 'threads of ONNX Runtime', count, 2)
  .option(
    '--python <path>',
    "an interpreter that has pyautoattack (and onnx2torch for other networks than WK17a's): runs AutoAttack's own code (and torchattacks') on the same images too",
  )
  .option('--smallest', 'WK17a: attacks each image at 1.02 and at 0.99 of the smallest eps that fools it')
  .option('--seed <n>', 'of the random numbers', Number, 1)
  .parse();

/** Each attack on what those before it have left. */
const planOf = (attacks: readonly Configured[], eps: number, seed: number, blockSize: number): AuditPlan => ({
  threat: { norm: 'linf', eps, range: [0, 1], goal: 'untargeted' },
  attacks: attacks.map((configured, i) => ({
    name: `${i + 1} ${attackOf(configured.attack).title(configured.settings as never)}`,
    configured,
    given: 'left',
    most: null,
  })),
  curve: null,
  seed,
  blockSize,
});

/** The processor's time of each attack, in seconds of all threads. Yields what the audit yields. */
async function* clocked<T>(
  work: AsyncGenerator<AuditEvent, T>,
  processor: Map<string, number>,
): AsyncGenerator<AuditEvent, T> {
  for (;;) {
    const begun = process.cpuUsage();
    const next = await work.next();
    if (next.done) return next.value;
    const { user, system } = process.cpuUsage(begun);
    const { title } = next.value;
    processor.set(title, (processor.get(title) ?? 0) + (user + system) / 1e6);
    yield next.value;
  }
}

/**
 * What each attack left, and what it took: the seconds are those of the work, whichever process did it; those of the
 * processor are of this process.
 */
function table({ seen, right, outcomes }: Measured, processor: ReadonlyMap<string, number>): string {
  const sum = (flags: Uint8Array): number => flags.reduce((total, flag) => total + flag, 0);
  const images = sum(seen);
  let left = sum(right);
  const row = (title: string, more: string): string =>
    `${title.padEnd(45)} leaves ${left} of ${images} (${((100 * left) / images).toFixed(2)} %)${more}`;
  const cost = ({ planned, attacked, seconds, queries: { forward, backward } }: Outcome): string =>
    `, ${seconds.toFixed(1)} s, ${(processor.get(planned.name) ?? 0).toFixed(1)} s of the processor, ` +
    `${(sum(attacked) / seconds).toFixed(1)} images/s, ` +
    `${((forward + backward) / seconds / 1000).toFixed(1)}k queries/s`;
  return [
    row('clean', ''),
    ...outcomes.map((outcome) => {
      left -= sum(outcome.broken);
      return row(outcome.planned.name, cost(outcome));
    }),
  ].join('\n');
}

/** Attacks each image just above and just below the smallest eps that fools it. */
async function aroundSmallest(
  classifier: OpenClassifier,
  test: StoredSource,
  truth: ReadonlyMap<number, Verdict>,
  attacks: readonly Configured[],
  seed: number,
): Promise<void> {
  for (const [image, { smallest }] of truth) {
    if (smallest === null) continue;
    const source = { ...test, count: 1, read: () => test.read([image]) };
    const by: (string | null)[] = [];
    for (const part of [1.02, 0.99]) {
      const plan = planOf(attacks, part * smallest, seed, 1);
      const found = (await toEnd(runAudit(classifier, source, plan))).adversarial.get(0);
      by.push(found ? `broken by ${found.attack}` : null);
    }
    console.log(
      `image ${image}, smallest ${smallest}: at 1.02 ${by[0] ?? 'MISSED'}, at 0.99 ${by[1] ?? 'right'}`,
    );
    if (by[0] === null || by[1] !== null) process.exitCode = 1;
  }
}

async function main(): Promise<void> {
  const [name] = command.processedArgs;
  const { folder, preset, only, images, from, eps: other, batch, threads, seed } = command.opts();
  const all = presets[preset as keyof typeof presets] as readonly Configured[];
  const attacks = all.filter(({ attack }) => !only || only.split(',').includes(attack));
  if (attacks.length === 0) {
    const names = all.map(({ attack }) => attack).join(', ');
    throw new Error(`--only ${only}: the preset ${preset} has none of them; it has ${names}`);
  }
  const {
    python,
    smallest,
    out = join('audits', `truth-${basename(name, extname(name))}`),
    shard: part,
    merge = [],
  } = command.opts();
  const of = await caseOf(name, folder);
  if (!existsSync(of.path)) {
    console.log(`skipped: there is no ${of.path}`);
    return;
  }
  const eps = other ?? of.eps;
  if (eps === null) throw new Error(`${name} has no published eps; give one with --eps`);
  const classifier = await openClassifier(of.path, { ...of.open, threads });
  const test = await of.images();
  if (smallest) {
    await aroundSmallest(classifier, test, await verdicts(folder), attacks, seed);
    await classifier.close();
    return;
  }
  const source = imagesFrom(test, from, images);
  const plan = planOf(attacks, eps, seed, batch);
  const sha256 = createHash('sha256')
    .update(await readFile(of.path))
    .digest('hex');
  const found = await environment({ device: 'cpu', threads });
  const own = partsPath(out, { plan, sha256, from, images: source.count, environment: found });
  const parts = await openParts(own, await mergedParts(merge, own));
  if (parts.found > 0) console.error(`resuming with ${partsText(parts.found)} of ${own}`);
  const progress = createProgress(process.stderr);
  const processor = new Map<string, number>();
  const work = clocked(runAudit(classifier, source, plan, { parts, shard: part ?? null }), processor);
  const measured = await followAudit(work, progress);
  progress.done();
  await classifier.close();
  const failure = parts.failure();
  if (failure !== undefined) console.error(failure);
  console.log(table(measured, processor));
  if (part) {
    console.log(own);
    return;
  }
  if (python) {
    const { image, label } = await source.read([...Array(source.count).keys()]);
    const left = measured.right.map((right, i) => (right === 1 && !measured.adversarial.has(i) ? 1 : 0));
    const seconds = measured.outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0);
    const ofProcessor = measured.outcomes.reduce(
      (sum, { planned }) => sum + (processor.get(planned.name) ?? 0),
      0,
    );
    const ours = { left, seconds, processor: ofProcessor };
    await beside({ python, of, images: { image, label }, from, eps, seed, threads, only, ours });
  }
  await parts.remove();
  if (name === 'wk17a' && eps === 0.1) judge(measured, from, await verdicts(folder));
}

/** Says which images that can be broken were not, and the other way round, which is an error. */
function judge({ right, adversarial }: Measured, from: number, truth: ReadonlyMap<number, Verdict>): void {
  const missed: number[] = [];
  const impossible: number[] = [];
  right.forEach((isRight, i) => {
    const isBroken = isRight === 0 || adversarial.has(i);
    const verdict = truth.get(from + i);
    if (!isBroken && verdict !== undefined && verdict.truth !== 'robust') missed.push(from + i);
    if (isBroken && verdict?.truth === 'robust') impossible.push(from + i);
  });
  console.log(
    `missed: ${missed.join(', ') || 'none'}; found where there are none: ${impossible.join(', ') || 'none'}`,
  );
  process.exitCode = impossible.length > 0 ? 1 : 0;
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
