import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { EpochRecord } from './records.ts';
import { cellName, cellsOf, modes, ToldConfig, type CellConfig, type RunConfig } from './config.ts';
import { InputError } from '../errors.ts';
import { HardenRecord } from '../training/harden-checkpoint.ts';
import type { TrainedModels } from './scores.ts';

/** Where the numbers came from. */
export const Environment = z.object({
  device: z.string(),
  threads: z.int().positive(),
  onnxruntime: z.string(),
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  sparring: z.string(),
  commit: z.string().nullable(),
  /** Wall time of the last session of the run, in seconds. */
  seconds: z.number(),
});
export type Environment = Readonly<z.infer<typeof Environment>>;

/** What a finished cell gave. */
const CellResult = z.object({
  mode: z.enum(modes),
  eps: z.number(),
  bound: z.enum(['tanh', 'clamp']),
  clip: z.boolean(),
  seed: z.int(),
  /** Within the folder of its run. */
  folder: z.string(),
  /** SHA-256 of each model file. */
  models: z.object({ c1: z.string(), c2: z.string(), attacker: z.string() }),
  epochs: z.array(EpochRecord),
  /** The epochs of C1 on attacked images, which come before those of the attacker. Of mode `hardened` alone. */
  hardening: z.array(HardenRecord).exactOptional(),
  final: EpochRecord.pick({ c1: true, c2: true }),
});
export type CellResult = Readonly<z.infer<typeof CellResult>>;

/** `result.json`, schema 1: the cells of a run that are finished, in the order of {@link cellsOf}. */
export const Result = z.object({
  schema: z.literal(1),
  config: ToldConfig,
  environment: Environment,
  runs: z.array(CellResult),
});
export type Result = Readonly<z.infer<typeof Result>>;

/**
 * The results of the shards of a sweep as one: what the sweep gives in one run, apart from the environment, where what
 * differs is named side by side and the seconds are summed. Shards may be missing or unfinished.
 *
 * @throws InputError when there is none, when they are of different sweeps, or give a cell in two ways.
 */
export function mergeResults(results: readonly Result[]): Result {
  const [first] = results;
  if (!first) throw new InputError('there is no result to merge');
  const config: RunConfig = { ...first.config, shard: null };
  for (const other of results) {
    const fields = Object.keys({ ...config, ...other.config }) as (keyof RunConfig)[];
    const differs = fields.find(
      (field) => field !== 'shard' && !isDeepStrictEqual(other.config[field], config[field]),
    );
    if (differs === undefined) continue;
    const [a, b] = [config, other.config].map((c) => JSON.stringify(c[differs]));
    throw new InputError(
      `results of different sweeps do not merge: ${differs} is ${a} in one, ${b} in another`,
    );
  }
  const runs = cellsOf(config).flatMap((cell) => {
    const name = cellName(cell);
    const [own, ...more] = results.flatMap((result) => result.runs.filter(({ folder }) => folder === name));
    if (more.some((other) => !isDeepStrictEqual(other, own))) {
      throw new InputError(`results do not merge: they give ${name} in two ways`);
    }
    return own ? [own] : [];
  });
  return { schema: 1, config, environment: mergeEnvironments(results.map((r) => r.environment)), runs };
}

function mergeEnvironments(all: readonly Environment[]): Environment {
  const listed = <K extends keyof Environment>(field: K): string =>
    [...new Set(all.map((environment) => String(environment[field] ?? 'none')))].join(', ');
  const [{ threads, commit }] = all as readonly [Environment];
  return {
    device: listed('device'),
    threads,
    onnxruntime: listed('onnxruntime'),
    node: listed('node'),
    platform: listed('platform'),
    cpu: listed('cpu'),
    sparring: listed('sparring'),
    commit: all.every((environment) => environment.commit === commit) ? commit : listed('commit'),
    seconds: all.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

/** A cell as `result.json` has it. */
export function cellResult(
  config: CellConfig,
  models: Required<TrainedModels>,
  epochs: readonly EpochRecord[],
  hardening: readonly HardenRecord[] | null,
): CellResult {
  const { mode, eps, bound, clip, seed } = config;
  const last = epochs.at(-1)!;
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  return {
    mode,
    eps,
    bound,
    clip,
    seed,
    folder: cellName(config),
    models: { c1: sha256(models.c1), c2: sha256(models.c2), attacker: sha256(models.attacker) },
    epochs: [...epochs],
    ...(hardening && { hardening: [...hardening] }),
    final: { c1: last.c1, c2: last.c2 },
  };
}
