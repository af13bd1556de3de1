import { z } from 'zod';

/**
 * How the first version that wrote `result.json` reads it, copied from it and not to be changed: every object rejects
 * a field that it does not name. What is written today must still pass.
 */
const Scores = z.strictObject({ accuracy: z.number(), loss: z.number() });
const ClassifierScores = z.strictObject({ clean: Scores, noise: Scores, attacked: Scores.optional() });
const Means = z.strictObject({ loss: z.number(), accuracy: z.number() });
const Network = z.union([
  z.enum(['c1', 'c2']),
  z.templateLiteral(['target', z.int().min(2)]),
  z.literal('attacker'),
]);
const Scored = z.strictObject({ c1: ClassifierScores, c2: ClassifierScores });
const EpochRecord = z.strictObject({
  phase: z.enum(['classifier', 'attacker']),
  epoch: z.int().positive(),
  train: z.partialRecord(Network, Means),
  ...Scored.shape,
});
const Count = z.int().positive();
const Source = z.strictObject({ source: z.string(), sha256: z.string() });
const modes = z.enum(['consecutive', 'alternating']);
const RunConfig = z.strictObject({
  schema: z.literal(1),
  modes: z.array(modes).min(1),
  eps: z.array(z.number().gt(0).max(1)).min(1),
  seeds: z.array(z.int().nonnegative()).min(1),
  classifierEpochs: z.partialRecord(modes, z.int().nonnegative()),
  bound: z.enum(['tanh', 'clamp']),
  clip: z.boolean(),
  architecture: z.enum(['paper', 'mlp', 'lenet5', 'resnet']).optional(),
  batchSize: Count,
  attackerEpochs: Count,
  learningRate: z.number().positive(),
  trainLimit: Count.nullable(),
  testLimit: Count.nullable(),
  data: Source,
  targets: Count.exactOptional(),
  against: Source.exactOptional(),
  transfer: Source.exactOptional(),
  device: z.enum(['cpu', 'cuda', 'webgpu']),
  threads: Count,
  shard: z.strictObject({ index: Count, count: Count }).nullable(),
});
const Environment = z.strictObject({
  device: z.string(),
  threads: z.int().positive(),
  onnxruntime: z.string(),
  node: z.string(),
  platform: z.string(),
  cpu: z.string(),
  sparring: z.string(),
  commit: z.string().nullable(),
  seconds: z.number(),
});
const CellResult = z.strictObject({
  mode: modes,
  eps: z.number(),
  bound: z.enum(['tanh', 'clamp']),
  clip: z.boolean(),
  seed: z.int(),
  folder: z.string(),
  models: z.strictObject({ c1: z.string(), c2: z.string(), attacker: z.string() }),
  epochs: z.array(EpochRecord),
  final: EpochRecord.pick({ c1: true, c2: true }),
});
export const ResultSchema1 = z.strictObject({
  schema: z.literal(1),
  config: RunConfig,
  environment: Environment,
  runs: z.array(CellResult),
});
