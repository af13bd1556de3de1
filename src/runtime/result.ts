import { createHash } from 'node:crypto';
import { z } from 'zod';
import { EpochRecord } from './checkpoint.ts';
import { cellName, modes, RunConfig, type CellConfig } from './config.ts';
import type { Contestants } from './evaluate.ts';

/** Where the numbers came from. */
export const Environment = z.strictObject({
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
const CellResult = z.strictObject({
  mode: z.enum(modes),
  eps: z.number(),
  bound: z.enum(['tanh', 'clamp']),
  clip: z.boolean(),
  seed: z.int(),
  /** Within the folder of its run. */
  folder: z.string(),
  /** SHA-256 of each model file. */
  models: z.strictObject({ c1: z.string(), c2: z.string(), attacker: z.string() }),
  epochs: z.array(EpochRecord),
  final: EpochRecord.pick({ c1: true, c2: true }),
});
export type CellResult = Readonly<z.infer<typeof CellResult>>;

/** `result.json`, schema 1: the cells of a run that are finished, in the order of {@link cellsOf}. */
export const Result = z.strictObject({
  schema: z.literal(1),
  config: RunConfig,
  environment: Environment,
  runs: z.array(CellResult),
});
export type Result = Readonly<z.infer<typeof Result>>;

/** A cell as `result.json` has it. */
export function cellResult(
  config: CellConfig,
  models: Required<Contestants>,
  epochs: readonly EpochRecord[],
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
    final: { c1: last.c1, c2: last.c2 },
  };
}
