import { basename, extname, join } from 'node:path';
import { openLoaded, type OpenClassifier } from '../../api/classifier.ts';
import { loadClassifier, type Loaded } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import { selfTestModel } from '../../models/selftest.ts';
import { imagesChosen } from '../../report/audit/words.ts';
import type { AttackName, Norm } from '../../runtime/attacks/index.ts';
import { conductAudit } from '../../runtime/audit/conduct.ts';
import { demandComparable, type Demanded } from '../../runtime/audit/demands.ts';
import type { Audit } from '../../runtime/audit/document.ts';
import { openParts, partsPath, type PartsFolder } from '../../runtime/audit/parts-folder.ts';
import { planAudit, type PresetName } from '../../runtime/audit/plan-audit.ts';
import { blockSizeFor, type Shard } from '../../runtime/audit/plan.ts';
import { chooseDevice, InputError, lockRun, type Device, type ImageSource } from '../../runtime/index.ts';
import { adoption, type AdoptFlags } from '../adopt-options.ts';
import { commandLine } from '../command-line.ts';
import { defaultThreads } from '../options.ts';
import { createProgress } from '../progress.ts';
import { exitCodeOf, quitHint, stopController } from '../signals.ts';
import { columnsOf } from '../table.ts';
import { environment } from '../version.ts';
import { attackersAbout, readAttackers, type Attackers } from './attackers.ts';
import { keepFuller, readAudit } from './before.ts';
import { followAudit } from './follow.ts';
import { within } from './options.ts';
import { mergedParts, partsText } from './parts.ts';
import {
  classifierAbout,
  dataAbout,
  openSubjects,
  sayPictures,
  withLabels,
  type DataFlags,
} from './subject.ts';
import { auditText } from './table.ts';
import { probeFile, probeWriting, writeAudit, writeForCi } from './write.ts';

/** The flags of `sparring audit`, as commander gives them. */
export interface AuditFlags extends DataFlags {
  readonly eps: number;
  readonly norm: Norm;
  readonly preset: PresetName;
  readonly attacks?: readonly AttackName[];
  readonly attacker?: readonly string[];
  readonly epsCurve?: readonly number[];
  readonly seed: number;
  readonly failUnder?: number;
  readonly baseline?: string;
  readonly accept?: readonly string[];
  readonly out?: string;
  readonly json?: true;
  readonly junit?: string;
  readonly force?: true;
  readonly timeLimit?: number;
  readonly shard?: Shard;
  readonly merge?: readonly string[];
  readonly device: Device | 'auto';
  readonly threads?: number;
  readonly batchSize?: number;
}

/** The exit code of an audit that ran and does not meet what was demanded. */
const notMet = 3;

/** All that was read and checked before the long work. */
interface Prepared {
  readonly path: string;
  readonly loaded: Loaded;
  readonly attackers: Attackers;
  readonly source: ImageSource;
  readonly demanded: Demanded;
  readonly out: string;
  readonly run: { readonly device: Device; readonly threads: number; readonly batchSize: number };
  readonly flags: AuditFlags;
  /** The arguments of `sparring`. */
  readonly words: readonly string[];
}

/**
 * Audits a classifier, prints what was found and writes it.
 *
 * @param words the arguments of `sparring`, to be kept and to resume with.
 * @throws InputError before long work, when an option or an input is wrong.
 */
export async function runAuditCommand(
  path: string,
  flags: AuditFlags,
  adopt: AdoptFlags,
  words: readonly string[],
): Promise<void> {
  within(flags.norm, flags.eps, '--eps');
  for (const each of flags.epsCurve ?? []) within(flags.norm, each, '--eps-curve');
  const demanded = await demandedBy(flags);
  const loaded = await loadClassifier(node, path, await adoption(adopt));
  const attackers = await readAttackers(flags.attacker ?? [], loaded, flags.attacks ?? []);
  const source = await openSubjects(loaded, flags);
  sayPictures(loaded, source);
  const out = flags.out ?? join('audits', basename(path, extname(path)));
  await probeWriting(out);
  if (flags.junit !== undefined) await probeFile(flags.junit, '--junit FILE');
  const { device } = await chooseDevice(flags.device, selfTestModel());
  const run = {
    device,
    threads: flags.threads ?? defaultThreads,
    batchSize: flags.batchSize ?? blockSizeFor(loaded.classifier.image),
  };
  const lock = await lockRun(out);
  try {
    const opened = await openLoaded(node, loaded, run, attackers);
    try {
      await auditOpened(opened, { path, loaded, attackers, source, demanded, out, run, flags, words });
    } finally {
      await opened.close();
    }
  } finally {
    await lock.release();
  }
}

async function demandedBy({ failUnder, baseline, accept }: AuditFlags): Promise<Demanded> {
  return {
    failUnder: failUnder ?? null,
    baseline: baseline === undefined ? null : { source: baseline, audit: await readAudit(baseline) },
    accepted: accept ?? [],
  };
}

async function auditOpened(opened: OpenClassifier, prepared: Prepared): Promise<void> {
  const { path, loaded, out, run, flags, words } = prepared;
  const source = await withLabels(prepared.source, opened);
  const classifier = classifierAbout(path, loaded, opened);
  const data = dataAbout(flags.data, source);
  const { norm, eps, seed } = flags;
  const { plan, notMeasured } = planAudit(opened, {
    norm,
    eps,
    attacks: flags.attacks ?? flags.preset,
    curve: flags.epsCurve ?? null,
    seed,
    batchSize: run.batchSize,
  });
  const { baseline, accepted } = prepared.demanded;
  if (baseline) {
    const planned = { threat: { norm, eps }, data, images: source.count, seed, attacks: plan.attacks };
    demandComparable(baseline, planned, accepted);
  }
  if (flags.shard) demandBlocks(flags.shard, Math.ceil(source.count / plan.blockSize), plan.blockSize);
  if (!flags.force) {
    const attacks = plan.attacks.map(({ name }) => name);
    const curve = plan.curve?.eps ?? [];
    const images = source.count;
    await keepFuller(out, { classifier, data, threat: { norm, eps }, images, seed, attacks, curve });
  }
  const found = await environment(run);
  const trained = attackersAbout(prepared.attackers);
  const brought = trained.length > 0 ? { attackers: trained } : {};
  const settings = { plan, classifier, data, images: source.count, environment: found, ...brought };
  const own = partsPath(out, settings);
  const parts = await openParts(own, await mergedParts(flags.merge ?? [], own));
  const about = `${data.name}: ${imagesChosen({ images: source.count, data })} (--seed ${seed})`;
  const conducted = await conduct(about, parts, prepared, (signal) =>
    conductAudit(opened, source, plan, {
      parts,
      signal,
      shard: flags.shard ?? null,
      demanded: prepared.demanded,
      notMeasured,
      surrogateMaker: opened.surrogateMaker,
      prepareOtherwise: () => opened.preparations(source),
    }),
  );
  if (!conducted) return;
  const { figures, measured } = conducted;
  if (flags.merge && parts.computed() > 0) {
    const all = parts.found + parts.computed();
    process.stderr.write(
      `${parts.computed()} of ${partsText(all)} were missing from --merge and are computed\n`,
    );
  }
  if (flags.shard) {
    if (!figures.complete) {
      process.stderr.write(`the time is over; resume with: ${commandLine(...words)}\n`);
      process.exitCode = notMet;
    }
    console.log(parts.path);
    return;
  }
  const audit: Audit = {
    schema: 2,
    classifier,
    data,
    preset: flags.attacks ? null : flags.preset,
    ...figures,
    ...brought,
    environment: found,
    command: [...words],
  };
  // printed first: what was measured must not be lost with a disk
  console.log(flags.json ? JSON.stringify(audit, null, 2) : auditText(audit, columnsOf(process.stdout)));
  const written = await writeAudit(out, audit, measured, source);
  if (audit.complete) await parts.remove();
  const more = await writeForCi(audit, flags.junit);
  if (!flags.json) for (const file of [...written, ...more]) console.log(file);
  if (audit.verdict === 'failed') process.exitCode = notMet;
}

/** Throws InputError when there are fewer blocks of images than shards: one of those would have nothing to do. */
function demandBlocks({ index, count }: Shard, blocks: number, size: number): void {
  if (count <= blocks) return;
  const all = blocks === 1 ? 'is only 1 block' : `are only ${blocks} blocks`;
  throw new InputError(
    `--shard ${index}/${count}: there ${all} of at most ${size} images; use that many shards at most, or a smaller --batch-size`,
  );
}

/** Says which images are used, and follows an audit to its end, to the time limit, or to a signal: then it is null, and the exit code is set. */
async function conduct(
  about: string,
  parts: PartsFolder,
  { flags: { timeLimit }, words }: Prepared,
  begin: (signal: AbortSignal) => ReturnType<typeof conductAudit>,
) {
  const progress = createProgress(process.stderr);
  const stop = stopController((signal) => progress.log(`${signal}: keeping what is finished; ${quitHint}`));
  try {
    progress.log(about);
    if (parts.found > 0) progress.log(`resuming with ${partsText(parts.found)} that were finished before`);
    const limit = timeLimit === undefined ? [] : [AbortSignal.timeout(1000 * timeLimit)];
    const conducted = await followAudit(begin(AbortSignal.any([stop.signal, ...limit])), progress);
    progress.done();
    const received = stop.received();
    if (!received) return conducted;
    const saved = parts.failure() ?? `saved the finished parts in ${parts.path}`;
    process.stderr.write(`${saved}; resume with: ${commandLine(...words)}\n`);
    process.exitCode = exitCodeOf(received);
    return null;
  } finally {
    stop.dispose();
    progress.done();
  }
}
