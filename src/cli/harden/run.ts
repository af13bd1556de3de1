import { rm } from 'node:fs/promises';
import {
  hardenIdentity,
  hardenLoaded,
  hardenPlan,
  type Hardened,
  type HardenPlan,
} from '../../api/harden.ts';
import { openTunable } from '../../api/hardening.ts';
import { imageOptions, loadClassifier, naming, type Loaded } from '../../api/load.ts';
import { node } from '../../api/node.ts';
import type { Defence } from '../../models/adversarial.ts';
import { selfTestModel } from '../../models/selftest.ts';
import type { Norm } from '../../runtime/attacks/index.ts';
import { drawn } from '../../runtime/data/chosen.ts';
import { chooseDevice, InputError, loadDataset, type Device, type ImageSource } from '../../runtime/index.ts';
import { loadHardening, saveHardening } from '../../runtime/training/harden-checkpoint.ts';
import { isFinished, type HardenCheckpoint, type HardenProgress } from '../../runtime/training/harden.ts';
import type { Schedule } from '../../runtime/training/schedule.ts';
import { adoption, type AdoptFlags } from '../adopt-options.ts';
import { within } from '../audit/options.ts';
import { sayPictures } from '../audit/subject.ts';
import { commandLine } from '../command-line.ts';
import { withForce } from '../diverged.ts';
import { defaultThreads } from '../options.ts';
import { createProgress, type ProgressReporter } from '../progress.ts';
import { settingsHash } from '../settings-hash.ts';
import { exitCodeOf, quitHint, stopController } from '../signals.ts';
import { measureBoth } from './measure.ts';
import { readingWords } from './reading.ts';
import {
  hardenFiles,
  probeOut,
  probeResumed,
  probeWeights,
  removeLeftovers,
  writeModel,
  writeReport,
} from './write.ts';

/** The flags of `sparring harden`, as commander gives them. */
export interface HardenFlags {
  readonly data: string;
  readonly dataLabels?: string;
  readonly eps: number;
  readonly out: string;
  readonly norm: Norm;
  readonly method: Defence;
  readonly resume?: true;
  readonly force?: true;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly schedule: Schedule;
  readonly warmup?: number;
  readonly average?: number;
  readonly patience?: number;
  readonly validation?: number;
  readonly trainLimit?: number;
  readonly seed: number;
  readonly steps?: number;
  readonly stepSize?: number;
  readonly start?: number;
  readonly beta?: number;
  readonly images: number;
  readonly device: Device | 'auto';
  readonly threads?: number;
}

/** All that was read and checked before the long work. */
interface Prepared {
  readonly loaded: Loaded;
  readonly train: ImageSource;
  readonly test: ImageSource;
  readonly plan: HardenPlan;
  readonly from: HardenCheckpoint | null;
  /** Ties the checkpoint to this training. */
  readonly hash: string;
}

/**
 * Hardens a classifier, measures it before and after, prints both and writes them.
 *
 * @param words the arguments of `sparring`, to be kept and to resume with.
 * @throws InputError before long work, when an option or an input is wrong.
 */
export async function runHarden(
  path: string,
  flags: HardenFlags,
  adopt: AdoptFlags,
  words: readonly string[],
): Promise<void> {
  within(flags.norm, flags.eps, '--eps');
  const prepared = await prepare(path, flags, adopt);
  const progress = createProgress(process.stderr);
  let isMeasuring = false;
  const stop = stopController((signal) =>
    progress.log(`${signal}: ${isMeasuring ? 'leaving the audits' : 'saving a checkpoint'}; ${quitHint}`),
  );
  const stopped = (saved: readonly string[], goOn: string): void => {
    progress.done();
    const again = words.includes('--resume') ? words : [...words, '--resume'];
    process.stderr.write(`saved ${saved.join(', ')}; ${goOn} with: ${commandLine(...again)}\n`);
    process.exitCode = exitCodeOf(stop.received() ?? 'SIGTERM');
  };
  try {
    const hardened = await train(prepared, flags, progress, stop.signal);
    if (!hardened) return stopped([hardenFiles(flags.out).checkpoint], 'resume');
    const written = await writeModel(flags.out, hardened, flags);
    isMeasuring = true;
    const both = await measureBoth(prepared, hardened, progress, stop.signal).catch((error: unknown) => {
      if (stop.signal.aborted) return null;
      throw error;
    });
    if (!both) return stopped(written, 'measure it');
    progress.done();
    const reading = await readingWords(flags.out, prepared.loaded, adopt, prepared.test);
    const { text, report } = await writeReport({ path, flags, words, reading, hardened, both, ...prepared });
    await rm(hardenFiles(flags.out).checkpoint, { force: true });
    console.log(text);
    for (const file of [...written, report]) console.log(file);
  } finally {
    stop.dispose();
    progress.done();
  }
}

async function prepare(path: string, flags: HardenFlags, adopt: AdoptFlags): Promise<Prepared> {
  await probeOut(flags.out, path, flags);
  const loaded = await loadClassifier(node, path, await adoption(adopt));
  await probeWeights(flags.out, path, loaded.files.external, flags);
  const data = await loadDataset(flags.data, {
    ...imageOptions(loaded),
    ...(flags.dataLabels !== undefined && { labels: flags.dataLabels }),
  });
  sayPictures(loaded, data.test);
  const some = await drawn(data.train, flags.trainLimit, flags.seed);
  const { steps, stepSize, start, beta, warmup, average, patience, validation } = flags;
  const { device } = await chooseDevice(flags.device, selfTestModel());
  const plan = hardenPlan(
    {
      ...picked(flags),
      device,
      threads: flags.threads ?? defaultThreads,
      attack: {
        ...(steps !== undefined && { steps }),
        ...(stepSize !== undefined && { stepSize }),
        ...(start !== undefined && { start }),
        ...(beta !== undefined && { beta }),
      },
      ...(warmup !== undefined && { warmup }),
      ...(average !== undefined && { average }),
      ...(patience !== undefined && { patience }),
      ...(validation !== undefined && { validation }),
    },
    some,
  );
  if (beta !== undefined && flags.method !== 'trades') {
    throw new InputError(`--beta is of --method trades alone, and this is ${flags.method}; leave it out`);
  }
  await naming(loaded.name, () => openTunable(loaded, some, plan.settings.batchSize));
  const hash = await settingsHash(hardenIdentity(loaded, some, plan), plan);
  const from = flags.resume ? await loadHardening(hardenFiles(flags.out).checkpoint, hash) : null;
  if (flags.resume && !from) {
    throw new InputError(`there is no checkpoint ${hardenFiles(flags.out).checkpoint}; leave --resume out`);
  }
  if (from && !isFinished(from.records, plan.settings)) {
    await probeResumed(flags.out, loaded.files.external, flags);
  }
  await removeLeftovers(flags.out, loaded.files.external);
  const test = await drawn(data.test, flags.images, flags.seed);
  return { loaded, train: some, test, plan, from, hash };
}

const picked = ({ eps, norm, method, epochs, batchSize, learningRate, schedule, seed }: HardenFlags) => ({
  eps,
  norm,
  method,
  epochs,
  batchSize,
  learningRate,
  schedule,
  seed,
});

/** Trains to the end, or to a signal: then it is null, and a checkpoint is written. */
async function train(
  { loaded, train: images, plan, from, hash }: Prepared,
  { out }: HardenFlags,
  progress: ProgressReporter,
  signal: AbortSignal,
): Promise<Hardened | null> {
  const { checkpoint, rename } = hardenFiles(out, loaded.files.external);
  if (from) progress.log(`resuming after ${from.records.length} epochs`);
  const work = hardenLoaded(node, loaded, images, plan, { rename, signal, ...(from && { from }) });
  for (;;) {
    const next = await work.next().catch(async (error: unknown) => {
      throw await withForce(error, checkpoint);
    });
    if (next.done) return next.value;
    const event = next.value;
    show(event, progress);
    if (event.kind === 'epoch' || event.kind === 'interrupted') {
      await saveHardening(checkpoint, event.checkpoint, hash);
    }
    if (event.kind === 'interrupted' && event.error) throw event.error;
  }
}

const percent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;

function show(event: HardenProgress, progress: ProgressReporter): void {
  if (event.kind === 'step') {
    const { epoch, epochs, done, total, loss, accuracy } = event;
    progress.update({
      title: `epoch ${epoch}/${epochs}`,
      done,
      total,
      note: `loss ${loss.toFixed(3)}, attacked ${percent(accuracy)}`,
    });
  } else if (event.kind === 'judge') {
    const { epoch, epochs, done, total } = event;
    progress.update({ title: `epoch ${epoch}/${epochs}: PGD on held-out images`, done, total });
  } else if (event.kind === 'epoch') {
    const { clean, robust, restored } = event.record;
    const after = restored ? '; it collapsed, so the best weights are restored' : '';
    progress.done(`held out: clean ${percent(clean)}, robust ${percent(robust)}${after}`);
  }
}
