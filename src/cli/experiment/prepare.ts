import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { defenceDefaults, type Defence } from '../../models/adversarial.ts';
import { selfTestModel } from '../../models/selftest.ts';
import {
  atTheBeginning,
  beginRun,
  cellsOf,
  chooseDevice,
  digits,
  InputError,
  isRun,
  limit,
  loadDigits,
  loadSameDigits,
  lockRun,
  openRun,
  paperData,
  refuseExisting,
  reserveFolder,
  restoreRun,
  type DefenceConfig,
  type Device,
  type Mode,
  RunConfig,
  type RunFolder,
  type RunLock,
  type StoredSource,
  type RunState,
} from '../../runtime/index.ts';
import {
  notesOn,
  readGiven,
  readGivenAgain,
  tryGiven,
  type Given,
  type GivenSources,
} from '../classifier.ts';
import type { AdoptOptions } from '../../models/classifier/options.ts';
import { validationOf } from '../../runtime/training/harden.ts';
import { defaultThreads, presets } from '../options.ts';

/** The flags of `sparring train`, as commander gives them. */
export interface Flags extends Partial<
  Pick<
    RunConfig,
    'bound' | 'clip' | 'architecture' | 'batchSize' | 'attackerEpochs' | 'learningRate' | 'threads'
  >
> {
  readonly preset: string | true;
  readonly mode?: Mode[];
  readonly eps?: number[];
  readonly seed?: number[];
  readonly classifierEpochs?: number;
  readonly defence?: Defence;
  readonly defenceEpochs?: number;
  readonly trainLimit?: number;
  readonly testLimit?: number;
  readonly data?: string;
  readonly device?: Device | 'auto';
  readonly out?: string;
  readonly targets?: number;
  readonly reading?: NonNullable<RunConfig['readings']>;
  readonly against?: string;
  readonly transfer?: string;
  readonly shard?: { readonly index: number; readonly count: number };
}

/** A run that is ready to go. */
export interface Prepared {
  readonly folder: RunFolder;
  /** To be released at the end. */
  readonly lock: RunLock;
  readonly config: RunConfig;
  readonly train: StoredSource;
  readonly test: StoredSource;
  readonly standing: RunState;
  /** Classifiers that are not trained, if there are any. */
  readonly given: Given | null;
  /** What makes the numbers of a given classifier doubtful, one line each. */
  readonly warnings: readonly string[];
  /** What was understood or assumed of a given classifier, one line each. */
  readonly notes: readonly string[];
  /** Why the run is on its device, for the person who started it. */
  readonly why?: string;
}

/**
 * A new run: everything is checked before its folder is made. A shard that is there already is resumed, so that a
 * scheduler may start its command again.
 *
 * @param adopt what is said of the classifiers of `--against` and `--transfer`.
 */
export async function begin(flags: Flags, adopt: Omit<AdoptOptions, 'labels'>): Promise<Prepared> {
  refuseWithGiven(flags, adopt);
  const out = outOf(flags);
  const found = flags.shard !== undefined && (await isRun(out));
  if (!found && flags.out !== undefined) await refuseExisting(out);
  const asked = flags.device ?? 'auto';
  const { device, why } = await chooseDevice(asked, selfTestModel());
  const read = await readGiven(
    flags.against,
    flags.transfer,
    digits,
    Object.keys(adopt).length > 0 ? adopt : undefined,
  );
  const dataset = await loadDigits(flags.data ?? paperData);
  const config = configOf(flags, device, dataset.sha256, read?.sources);
  refuseEmpty(config);
  const splits = limited(dataset, config);
  const warnings = [
    ...lacking(dataset, splits),
    ...(read ? await tryGiven(read.given, read.sources, splits.test, config) : []),
  ];
  const start = found
    ? await locked(out, async () => {
        const folder = await sameRun(out, config);
        return { folder, standing: await restoreRun(folder, config) };
      })
    : {
        // two runs may begin in the same second
        ...(await beginRun(flags.out === undefined ? await reserveFolder(out) : out, config)),
        standing: atTheBeginning,
      };
  return {
    ...start,
    config,
    ...splits,
    given: read?.given ?? null,
    warnings,
    notes: notesOn(read?.given ?? null),
    ...(asked === 'auto' && { why }),
  };
}

/** Locks a run and does something, which is what fails when another process has it; gives the lock with the result. */
async function locked<T extends object>(
  path: string,
  work: () => Promise<T>,
): Promise<T & { readonly lock: RunLock }> {
  const lock = await lockRun(path);
  try {
    return { ...(await work()), lock };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Options that say how classifiers are trained say nothing where they are given. */
function refuseWithGiven({ against, transfer, mode, ...flags }: Flags, adopt: object): void {
  if (against === undefined) {
    if (transfer !== undefined) {
      throw new InputError('--transfer goes with --against; without it, transfer is measured on C2');
    }
    const [said] = Object.keys(adopt);
    if (said === undefined) return;
    throw new InputError(`--${said} goes with --against: it says how that file is read`);
  }
  const options = {
    '--classifier-epochs': flags.classifierEpochs,
    '--targets': flags.targets,
    '--defence': flags.defence,
    '--defence-epochs': flags.defenceEpochs,
    '--architecture': flags.architecture,
  };
  const [other] = Object.entries(options).filter(([, value]) => value !== undefined);
  if (other) throw new InputError(`--against trains no classifier; leave out ${other[0]}`);
  const training = mode?.find((each) => each !== 'consecutive');
  if (training) throw new InputError(`--against trains no classifier; leave out --mode ${training}`);
}

/** The run folder to make: `--out`, or for a shard a folder in it. */
function outOf({ out, shard }: Flags): string {
  if (!shard) return out ?? join('runs', timestamp());
  if (out === undefined) throw new InputError('--shard needs --out, the folder that all shards are given');
  return join(out, `shard-${shard.index}-of-${shard.count}`);
}

function refuseEmpty(config: RunConfig): void {
  if (cellsOf(config).length > 0) return;
  const { index, count } = config.shard!;
  const all = cellsOf({ ...config, shard: null }).length;
  throw new InputError(`--shard ${index}/${count} has no cell: there are ${all}; take at most ${all} shards`);
}

/** The run at `path`, which must have this configuration. */
async function sameRun(path: string, config: RunConfig): Promise<RunFolder> {
  const there = await openRun(path);
  const fields = Object.keys({ ...config, ...there.config }) as (keyof RunConfig)[];
  const other = fields.find((field) => !isDeepStrictEqual(config[field], there.config[field]));
  if (other === undefined) return there.folder;
  throw new InputError(
    `${path} was started with ${other} ${JSON.stringify(there.config[other])}, not ${JSON.stringify(config[other])}; choose another --out`,
  );
}

/** The preset with the flags in their places. */
function configOf(flags: Flags, device: Device, sha256: string, given?: GivenSources): RunConfig {
  const preset = presets[flags.preset as keyof typeof presets];
  const modes = given ? (['consecutive'] as const) : modesOf(flags, preset.modes);
  const attackerEpochs = flags.attackerEpochs ?? preset.attackerEpochs;
  const epochs = modes.map((mode) => [
    mode,
    given ? 0 : (flags.classifierEpochs ?? preset.classifierEpochs[mode]),
  ]);
  const config: RunConfig = {
    schema: 1,
    modes: [...modes],
    eps: flags.eps ?? preset.eps,
    seeds: flags.seed ?? preset.seeds,
    bound: flags.bound ?? preset.bound,
    clip: flags.clip ?? preset.clip,
    ...(flags.architecture && flags.architecture !== 'paper' && { architecture: flags.architecture }),
    batchSize: flags.batchSize ?? preset.batchSize,
    classifierEpochs: Object.fromEntries(epochs) as RunConfig['classifierEpochs'],
    attackerEpochs,
    learningRate: flags.learningRate ?? preset.learningRate,
    trainLimit: flags.trainLimit ?? null,
    testLimit: flags.testLimit ?? null,
    data: { source: flags.data ?? paperData, sha256 },
    device,
    threads: flags.threads ?? defaultThreads,
    shard: flags.shard ?? null,
    ...((flags.targets ?? 1) > 1 && { targets: flags.targets! }),
    ...(flags.reading && { readings: flags.reading }),
    ...(modes.includes('hardened') && { defence: defenceOf(flags, attackerEpochs) }),
    ...given,
  };
  // in the schema's order, as a resumed run reads it: result.json is then the same bytes
  return RunConfig.parse(config);
}

/** The modes that are asked for; `--defence` alone asks for hardened cells beside the others. */
function modesOf({ mode, defence, defenceEpochs, reading }: Flags, preset: readonly Mode[]): readonly Mode[] {
  const asked = mode ?? preset;
  const modes = defence === undefined || asked.includes('hardened') ? asked : [...asked, 'hardened' as const];
  if (!modes.includes('hardened')) {
    if (defenceEpochs === undefined) return modes;
    throw new InputError('--defence-epochs goes with --defence, which says how C1 is hardened');
  }
  if (!reading?.includes('batch-statistics')) return modes;
  throw new InputError(
    '--reading batch-statistics does not go with hardened cells: hardening keeps the running statistics; leave one out',
  );
}

/** How C1 is hardened, with every setting, so that a run says what was done. */
function defenceOf({ defence: method = 'pgd', defenceEpochs }: Flags, epochs: number): DefenceConfig {
  return { method, epochs: defenceEpochs ?? epochs, ...defenceDefaults[method] };
}

/**
 * An interrupted run, from its last checkpoint. Its options are its own: others are rejected.
 *
 * @param given the options on the command line.
 * @param data where the run's data is now, if it has moved.
 */
export async function resume(path: string, given: readonly string[], data?: string): Promise<Prepared> {
  const other = given.find((option) => !['--resume', '--data', '--json'].includes(option));
  if (other)
    throw new InputError(`--resume takes the options of ${path} from its config.json; leave out ${other}`);
  await openRun(path);
  return await locked(path, async () => {
    const { folder, config } = await openRun(path);
    const dataset = await loadSameDigits(path, config.data, data);
    const again = await readGivenAgain(config, digits);
    const splits = limited(dataset, config);
    const warnings = [
      ...lacking(dataset, splits),
      ...(again ? await tryGiven(again, config, splits.test, config) : []),
    ];
    return {
      folder,
      config,
      ...splits,
      standing: await restoreRun(folder, config),
      given: again,
      warnings,
      notes: notesOn(again),
    };
  });
}

interface Splits {
  readonly train: StoredSource;
  readonly test: StoredSource;
}

/** Classes that a limit leaves out: data that are sorted by class lose them silently. */
export function lacking(all: Splits, some: Splits): readonly string[] {
  return (['train', 'test'] as const).flatMap((split) => {
    const left = new Set(some[split].stored.labels);
    const lost = [...new Set(all[split].stored.labels)].filter((label) => !left.has(label));
    return lost.length === 0
      ? []
      : [
          `--${split}-limit ${some[split].count}: the first ${some[split].count} images have none of class ` +
            `${lost.toSorted((a, b) => a - b).join(', ')}; take more of them, or data in a random order`,
        ];
  });
}

function limited(dataset: Splits, config: RunConfig): Splits {
  const train = within('--train-limit', dataset.train, config.trainLimit);
  const test = within('--test-limit', dataset.test, config.testLimit);
  if (train.count < config.batchSize) {
    throw new InputError(
      `--batch-size ${config.batchSize} is more than the ${train.count} training images; take a smaller one`,
    );
  }
  const left = train.count - validationOf(train.count);
  if (config.defence && left < config.batchSize) {
    throw new InputError(
      `--batch-size ${config.batchSize} is more than the ${left} images of ${train.count} that hardening trains on; take a smaller one`,
    );
  }
  return { train, test };
}

function within(option: string, split: StoredSource, n: number | null): StoredSource {
  try {
    return n === null ? split : limit(split, n);
  } catch (error) {
    throw new InputError(`${option}: ${(error as Error).message}`, { cause: error });
  }
}

const timestamp = (): string => new Date().toISOString().slice(0, 19).replaceAll(':', '-');
