import { z } from 'zod';
import { deviceNames } from './devices/index.ts';

const Count = z.int().positive();

/** Everything that decides the numbers of a run: written to `config.json`, read back by `--resume`. */
export const RunConfig = z.strictObject({
  schema: z.literal(1),
  mode: z.literal('consecutive'),
  /** Largest change of a pixel, in (0, 1]. */
  eps: z.number().gt(0).max(1),
  bound: z.enum(['tanh', 'clamp']),
  clip: z.boolean(),
  seed: z.int().nonnegative(),
  batchSize: Count,
  classifierEpochs: Count,
  attackerEpochs: Count,
  learningRate: z.number().positive(),
  /** First examples used of each split; null for all. */
  trainLimit: Count.nullable(),
  testLimit: Count.nullable(),
  /** `mnist` or a folder, and what was found there. */
  data: z.strictObject({ source: z.string(), sha256: z.string() }),
  device: z.enum(deviceNames),
  threads: Count,
});
export type RunConfig = Readonly<z.infer<typeof RunConfig>>;

/** The folder of a cell within a run: `consecutive-eps0.16-seed1`. */
export const cellName = ({ mode, eps, seed }: Pick<RunConfig, 'mode' | 'eps' | 'seed'>): string =>
  `${mode}-eps${eps}-seed${seed}`;
