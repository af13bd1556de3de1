import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Hardened, HardenPlan } from '../../api/harden.ts';
import type { AuditResult } from '../../api/audit.ts';
import { InputError, type ImageSource } from '../../runtime/index.ts';
import { removeTemporaries, writeAtomic } from '../../runtime/files.ts';
import { probeFile } from '../audit/write.ts';
import { quoted } from '../command-line.ts';
import { columnsOf, textTable } from '../table.ts';
import { environment } from '../version.ts';
import type { Both } from './measure.ts';

/** The files of a hardening: the model and, beside it, its weights, the report and the checkpoint. */
export function hardenFiles(out: string, external: Readonly<Record<string, Uint8Array>> = {}) {
  const name = basename(out);
  const locations = Object.keys(external);
  const rename = (location: string): string =>
    locations.length === 1 ? `${name}.data` : `${name}.${locations.indexOf(location) + 1}.data`;
  return {
    report: `${out.replace(/\.onnx$/, '')}.harden.json`,
    checkpoint: `${out.replace(/\.onnx$/, '')}.checkpoint`,
    rename,
    weights: locations.map((location) => join(dirname(out), rename(location))),
  };
}

/** Removes what writes of these files left beside them because their process was killed. */
export async function removeLeftovers(
  out: string,
  external: Readonly<Record<string, Uint8Array>>,
): Promise<void> {
  const { report, checkpoint, weights } = hardenFiles(out, external);
  for (const path of [out, report, checkpoint, ...weights]) await removeTemporaries(path);
}

/**
 * Finds out, before long work, whether the files can be written, and does not replace others.
 *
 * @throws InputError in one line, with the way out.
 */
export async function probeOut(
  out: string,
  model: string,
  { force, resume }: { readonly force?: true; readonly resume?: true },
): Promise<void> {
  if (resolve(out) === resolve(model)) {
    throw new InputError(`--out ${out} is the model itself; choose another file`);
  }
  const { report, checkpoint } = hardenFiles(out);
  for (const path of [out, report]) {
    // what a finished training wrote is compared with what it would write
    if (!force && !resume) await demandFree(path);
    await probeFile(path, '--out FILE');
  }
  if (!resume && !force && (await exists(checkpoint))) {
    throw new InputError(
      `${checkpoint} is of an interrupted training; resume it with --resume, or replace it with --force`,
    );
  }
}

/**
 * Finds out, before long work, whether a hardening would replace the weights of the classifier itself, or those of others.
 *
 * @param model the path of the classifier.
 * @param external the files that its weights lie in, by the names that it gives them.
 * @throws InputError in one line, with the way out.
 */
export async function probeWeights(
  out: string,
  model: string,
  external: Readonly<Record<string, Uint8Array>>,
  { force, resume }: { readonly force?: true; readonly resume?: true },
): Promise<void> {
  const { report, checkpoint, weights } = hardenFiles(out, external);
  const sources = await Promise.all(Object.keys(external).map((name) => placeOf(join(dirname(model), name))));
  for (const path of [out, report, checkpoint, ...weights]) {
    if (sources.includes(await placeOf(path))) {
      throw new InputError(
        `--out ${out} would replace ${path}, which holds weights of ${model}; choose another file`,
      );
    }
  }
  if (!force && !resume) for (const path of weights) await demandFree(path);
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => null)) !== null;

/** Where a file really lies, whatever links lead to it. */
const placeOf = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

async function demandFree(path: string): Promise<void> {
  if (await exists(path)) {
    throw new InputError(`${path} exists; choose another --out FILE, or replace it with --force`);
  }
}

/**
 * Finds out, before a training continues, whether its files are there already: only one that is finished wrote them.
 *
 * @throws InputError in one line, with the way out.
 */
export async function probeResumed(
  out: string,
  external: Readonly<Record<string, Uint8Array>>,
  { force }: { readonly force?: true },
): Promise<void> {
  if (force) return;
  const { report, weights } = hardenFiles(out, external);
  for (const path of [out, report, ...weights]) await demandFree(path);
}

/**
 * Writes the hardened model, the weights that lie outside it first. Gives the paths.
 *
 * @throws InputError where another file is there, before anything is written.
 */
export async function writeModel(
  out: string,
  { model, external }: Hardened,
  { force }: { readonly force?: true },
): Promise<readonly string[]> {
  const outside = Object.entries(external).map(([name, data]) => [join(dirname(out), name), data] as const);
  const files = [...outside, [out, model] as const];
  for (const [path, data] of files) {
    if (force || !(await exists(path)) || (await readFile(path)).equals(data)) continue;
    throw new InputError(`${path} exists and holds something else; replace it with --resume --force`);
  }
  for (const [path, data] of files) await writeAtomic(path, data);
  return [out, ...outside.map(([path]) => path)];
}

/** What is to be reported of a hardening. */
interface Reported {
  readonly path: string;
  readonly flags: { readonly out: string; readonly data: string };
  readonly words: readonly string[];
  /** The options that the new file must be read with. */
  readonly reading: readonly string[];
  readonly hardened: Hardened;
  readonly both: Both;
  readonly plan: HardenPlan;
  readonly train: ImageSource;
  readonly test: ImageSource;
}

/** Writes the report as JSON; gives its path, and what is printed. */
export async function writeReport({
  path,
  flags,
  words,
  reading,
  hardened,
  both,
  plan,
  train,
  test,
}: Reported) {
  const { report } = hardenFiles(flags.out);
  const { records, epoch, trained, frozen, apart } = hardened;
  const document = {
    schema: 1,
    model: basename(path),
    reading,
    data: { source: flags.data, sha256: train.sha256, train: train.count, test: test.count },
    ...plan,
    trained,
    frozen,
    epochs: records,
    best: epoch,
    apart,
    before: figuresOf(both.before),
    after: figuresOf(both.after),
    notMeasured: both.after.notMeasured,
    environment: await environment(plan),
    command: words,
  };
  await writeAtomic(report, `${JSON.stringify(document, null, 2)}\n`);
  const read = reading.map(quoted).join(' ');
  const text = hardenText(hardened, both, plan);
  return {
    report,
    text: read === '' ? text : `${text}\nit is read with ${read}; audit it with these options`,
  };
}

const figuresOf = ({ images, clean, attacks, worst, checks }: AuditResult) => ({
  images,
  clean,
  attacks,
  worst,
  checks,
});

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

/** Accuracy before and after as a table, and what was trained and measured. */
function hardenText(hardened: Hardened, { before, after }: Both, plan: HardenPlan): string {
  const { norm } = plan.defence;
  const head = `${norm === 'linf' ? 'Linf' : 'L2'} eps ${Number(plan.settings.eps.toPrecision(4))}, ${after.images} images`;
  const names = Object.keys(after.attacks) as (keyof AuditResult['attacks'])[];
  const rows = [
    ['clean', percent(before.clean.accuracy), percent(after.clean.accuracy)],
    ...names.map((name) => [
      after.attacks[name]!.title,
      before.attacks[name] ? percent(before.attacks[name].accuracy) : '',
      percent(after.attacks[name]!.accuracy),
    ]),
    ['worst case', percent(before.worst.accuracy), percent(after.worst.accuracy)],
  ];
  const reasons = new Set(hardened.frozen.map(({ why }) => why));
  const { model, external, trained, epoch } = hardened;
  return [
    textTable([head, 'before', 'after'], rows, columnsOf(process.stdout)),
    ...after.checks.map(({ level, title, id }) => `${level}: ${title} [${id}]`),
    ...after.notMeasured.map(({ what, why }) => `not measured: ${what}: ${why}`),
    `trained: ${trained.length} initializers; the weights are those after epoch ${epoch}`,
    ...[...reasons].map((reason) => {
      const own = hardened.frozen.filter(({ why }) => why === reason);
      return `frozen: ${own.length} initializers (${reason})`;
    }),
    `${model.length} bytes${Object.keys(external).length > 0 ? ', weights outside' : ''}`,
  ].join('\n');
}
