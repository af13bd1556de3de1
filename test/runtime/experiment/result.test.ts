import { describe, expect, it } from 'vitest';
import {
  cellName,
  cellsOf,
  InputError,
  mergeResults,
  type CellResult,
  type Result,
  type RunConfig,
} from '../../../src/runtime/index.ts';

const sweep: RunConfig = {
  schema: 1,
  modes: ['consecutive', 'alternating'],
  eps: [0.04, 0.16],
  seeds: [1, 2],
  bound: 'tanh',
  clip: true,
  batchSize: 100,
  classifierEpochs: { consecutive: 20, alternating: 5 },
  attackerEpochs: 20,
  learningRate: 1e-3,
  trainLimit: null,
  testLimit: null,
  data: { source: 'mnist', sha256: 'f'.repeat(64) },
  device: 'cpu',
  threads: 2,
  shard: null,
};

const environment = {
  device: 'cpu',
  threads: 2,
  onnxruntime: '1.29.0',
  node: '20.20.2',
  platform: 'linux-x64',
  cpu: 'one',
  sparring: '0.1.0',
  commit: 'a'.repeat(40),
  seconds: 10,
};

const scores = (accuracy: number) => ({ clean: { accuracy, loss: 1 }, noise: { accuracy, loss: 1 } });

/** The result of a run of this configuration, with made-up scores that differ from cell to cell. */
const resultOf = (config: RunConfig): Result => ({
  schema: 1,
  config,
  environment,
  runs: cellsOf(config).map((cell): CellResult => {
    const { mode, eps, bound, clip, seed } = cell;
    const final = { c1: scores(eps / seed), c2: scores(mode.length / 20) };
    const models = { c1: 'c1', c2: 'c2', attacker: cellName(cell) };
    return { mode, eps, bound, clip, seed, folder: cellName(cell), models, epochs: [], final };
  }),
});

const whole = resultOf(sweep);
const shards = (count: number): Result[] =>
  Array.from({ length: count }, (_, i) => resultOf({ ...sweep, shard: { index: i + 1, count } }));

describe('mergeResults', () => {
  it.each([1, 2, 3, 8])('makes the sweep of %i shards, in any order', (count) => {
    const parts = shards(count);
    expect(parts.flatMap(({ runs }) => runs)).toHaveLength(8);
    const seconds = 10 * count;
    for (const results of [parts, parts.toReversed()]) {
      expect(mergeResults(results)).toEqual({ ...whole, environment: { ...environment, seconds } });
    }
  });

  it('leaves out what is not finished yet, and takes a cell that is there twice once', () => {
    const [first, , third] = shards(3);
    const { runs } = mergeResults([third!, first!, first!]);
    expect(runs).toEqual(whole.runs.filter((_, i) => i % 3 !== 1));
  });

  it('names environments that differ side by side', () => {
    const [one, two] = shards(2);
    const other = { ...two!, environment: { ...environment, cpu: 'two', commit: null } };
    expect(mergeResults([one!, other]).environment).toEqual({
      ...environment,
      cpu: 'one, two',
      commit: `${environment.commit}, none`,
      seconds: 20,
    });
  });

  const refusal = (...results: readonly Result[]): string => {
    try {
      mergeResults(results);
    } catch (error) {
      if (error instanceof InputError) return error.message;
      throw error;
    }
    return 'none';
  };

  it('refuses results of different sweeps', () => {
    const [one, two] = shards(2);
    const change = (config: Partial<RunConfig>): Result => ({
      ...two!,
      config: { ...two!.config, ...config },
    });
    const differ = 'results of different sweeps do not merge:';
    expect(refusal(one!, change({ clip: false }))).toBe(`${differ} clip is true in one, false in another`);
    expect(refusal(one!, change({ eps: [0.04] }))).toBe(
      `${differ} eps is [0.04,0.16] in one, [0.04] in another`,
    );
    expect(refusal(one!, change({ targets: 2 }))).toBe(`${differ} targets is undefined in one, 2 in another`);
    expect(refusal()).toBe('there is no result to merge');
  });

  it('refuses a cell that they give in two ways', () => {
    const [one] = shards(2);
    const [cell, ...rest] = one!.runs;
    const other = { ...one!, runs: [{ ...cell!, final: { c1: scores(0), c2: scores(0) } }, ...rest] };
    expect(refusal(one!, other)).toBe(
      'results do not merge: they give consecutive-eps0.04-seed1 in two ways',
    );
  });
});
