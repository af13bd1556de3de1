import type { RunConfig } from '../../src/runtime/experiment/config.ts';

/** The configuration of a small run on MNIST. */
export const smallRun: RunConfig = {
  schema: 1,
  modes: ['consecutive'],
  eps: [0.1],
  seeds: [1],
  bound: 'tanh',
  clip: true,
  batchSize: 8,
  classifierEpochs: { consecutive: 1 },
  attackerEpochs: 1,
  learningRate: 1e-3,
  trainLimit: null,
  testLimit: null,
  data: { source: 'mnist', sha256: '0' },
  device: 'cpu',
  threads: 1,
  shard: null,
};
