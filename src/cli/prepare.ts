import { join } from 'node:path';
import { selfTestModel } from '../models/selftest.ts';
import {
  chooseDevice,
  configHash,
  createRun,
  InputError,
  limit,
  loadCheckpoint,
  loadDataset,
  openRun,
  refuseExisting,
  restoreRun,
  type Checkpoint,
  type Device,
  type RunConfig,
  type RunFolder,
  type Split,
} from '../runtime/index.ts';
import { defaultThreads, presets } from './options.ts';

/** The flags of `sparring train`, as commander gives them. */
export interface Flags extends Partial<Omit<RunConfig, 'device' | 'data' | 'trainLimit' | 'testLimit'>> {
  readonly preset: string | true;
  readonly trainLimit?: number;
  readonly testLimit?: number;
  readonly data?: string;
  readonly device?: Device | 'auto';
  readonly out?: string;
}

/** A run that is ready to go. */
export interface Prepared {
  readonly folder: RunFolder;
  readonly config: RunConfig;
  readonly train: Split;
  readonly test: Split;
  readonly from: Checkpoint | null;
  /** Why the run is on its device, for the person who started it. */
  readonly why?: string;
}

/** A new run: everything is checked before its folder is made. */
export async function begin(flags: Flags): Promise<Prepared> {
  const preset = presets[flags.preset as keyof typeof presets];
  const out = flags.out ?? join('runs', timestamp());
  await refuseExisting(out);
  const asked = flags.device ?? 'auto';
  const { device, why } = await chooseDevice(asked, selfTestModel());
  const source = flags.data ?? 'mnist';
  const dataset = await loadDataset(source);
  const own = Object.fromEntries(
    Object.keys(preset).flatMap((key) => (key in flags ? [[key, flags[key as keyof Flags]]] : [])),
  ) as Partial<RunConfig>;
  const config: RunConfig = {
    schema: 1,
    ...preset,
    ...own,
    trainLimit: flags.trainLimit ?? null,
    testLimit: flags.testLimit ?? null,
    data: { source, sha256: dataset.sha256 },
    device,
    threads: flags.threads ?? defaultThreads,
  };
  const splits = limited(dataset, config);
  return {
    folder: await createRun(out, config),
    config,
    ...splits,
    from: null,
    ...(asked === 'auto' && { why }),
  };
}

/** An interrupted run, from its last checkpoint. Its options are its own: giving others is refused. */
export async function goOn(path: string, given: readonly string[]): Promise<Prepared> {
  const other = given.find((option) => !['--resume', '--json'].includes(option));
  if (other) throw new InputError(`--resume goes on with the options of ${path}; leave out ${other}`);
  const { folder, config } = await openRun(path);
  const dataset = await loadDataset(config.data.source);
  if (dataset.sha256 !== config.data.sha256) {
    throw new InputError(
      `${config.data.source} is not the data that ${path} began with (sha256 ${dataset.sha256.slice(0, 12)}...); put that back`,
    );
  }
  const splits = limited(dataset, config);
  const from = await loadCheckpoint(folder.checkpoint, configHash(config));
  await restoreRun(folder, from?.position.records ?? []);
  return { folder, config, ...splits, from };
}

function limited(dataset: { readonly train: Split; readonly test: Split }, config: RunConfig) {
  const train = within('--train-limit', dataset.train, config.trainLimit);
  const test = within('--test-limit', dataset.test, config.testLimit);
  if (train.count < config.batchSize) {
    throw new InputError(
      `--batch-size ${config.batchSize} is more than the ${train.count} training images; take a smaller one`,
    );
  }
  return { train, test };
}

function within(option: string, split: Split, n: number | null): Split {
  try {
    return n === null ? split : limit(split, n);
  } catch (error) {
    throw new InputError(`${option}: ${(error as Error).message}`, { cause: error });
  }
}

const timestamp = (): string => new Date().toISOString().slice(0, 19).replaceAll(':', '-');
