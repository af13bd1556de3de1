import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  createRun,
  loadDigits,
  mergeResults,
  readResult,
  runFolder,
  type Result,
  type RunConfig,
} from '../../src/runtime/index.ts';
import { bin } from '../support/build.ts';
import { sparring, type Finished } from '../support/cli.ts';
import { examples, writeIdxFolder } from '../support/idx.ts';

/** In milliseconds: the machine may be busy with much else. */
const patience = 240_000;

let cwd: string;
const settings =
  '--data data --device cpu --threads 1 --batch-size 8 --train-limit 16 --test-limit 20 --attacker-epochs 1'.split(
    ' ',
  );
const sweep = ['--mode', 'both', '--eps', '0.1', '--seed', '5'];
const cells = ['consecutive-eps0.1-seed5', 'alternating-eps0.1-seed5'];

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-sweep-'));
  await writeIdxFolder(join(cwd, 'data'), { train: examples(16), test: examples(20) });
});
afterAll(async () => {
  await rm(cwd, { recursive: true });
});

async function trained(args: readonly string[]): Promise<void> {
  const { code, stderr } = await sparring(args, { cwd });
  if (code !== 0) throw new Error(stderr);
}

const resultOf = async (run: string): Promise<Result> => (await readResult(runFolder(join(cwd, run))))!;
const withoutEnvironment = (result: Result): object => ({ ...result, environment: null });

/** Every file of a cell with its hash. */
async function filesOf(cell: string): Promise<string[]> {
  const entries = await readdir(join(cwd, cell), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const hash = async (file: string): Promise<string> =>
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  const lines = files.map(async (file) => `${file.slice(join(cwd, cell).length)} ${await hash(file)}`);
  return (await Promise.all(lines)).sort();
}

const metricsOf = async (run: string, cell: string): Promise<string[]> =>
  (await readFile(join(cwd, run, 'metrics.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line.startsWith(`{"cell":"${cell}"`));

describe('a sweep', () => {
  beforeAll(async () => {
    // as in `--preset paper`, one mode begins with the classifiers in the middle of the other's training
    const config: RunConfig = {
      schema: 1,
      modes: ['consecutive', 'alternating'],
      eps: [0.1],
      seeds: [5],
      bound: 'tanh',
      clip: false,
      batchSize: 8,
      classifierEpochs: { consecutive: 2, alternating: 1 },
      attackerEpochs: 1,
      learningRate: 1e-3,
      trainLimit: 16,
      testLimit: 20,
      data: { source: 'data', sha256: (await loadDigits(join(cwd, 'data'))).sha256 },
      device: 'cpu',
      threads: 1,
      shard: null,
    };
    await createRun(join(cwd, 'whole'), config);
    await trained(['train', '--resume', 'whole']);
  }, patience);

  it('has a cell for each mode and eps, in its result, its folders and its metrics', async () => {
    const { runs } = await resultOf('whole');
    expect(runs.map(({ folder }) => folder)).toEqual(cells);
    expect(runs.map(({ epochs }) => epochs.map(({ phase, epoch }) => `${phase} ${epoch}`))).toEqual([
      ['classifier 1', 'classifier 2', 'attacker 1'],
      ['classifier 1', 'attacker 1'],
    ]);
    for (const { folder, epochs } of runs) {
      expect((await metricsOf('whole', folder)).map((line) => JSON.parse(line) as unknown)).toEqual(
        epochs.map((epoch) => ({ cell: folder, ...epoch })),
      );
    }
    expect((await readdir(join(cwd, 'whole'))).sort()).toEqual(
      [...cells, 'classifiers-seed5', 'config.json', 'metrics.jsonl', 'report.html', 'result.json'].sort(),
    );
    expect((await readdir(join(cwd, 'whole/classifiers-seed5/checkpoint'))).sort()).toEqual([
      'epoch1.safetensors',
      'state.safetensors',
    ]);
  });

  it(
    'has a cell that is what it is alone, with the classifiers trained no longer than it needs',
    async () => {
      const cell = cells[1]!;
      const alone = ['--mode', 'alternating', '--eps', '0.1', '--seed', '5', '--classifier-epochs', '1'];
      const run = ['train', ...settings, '--no-clip', ...alone, '--out', 'alone'];
      expect(await sparring(run, { cwd })).toMatchObject({ code: 0 });
      expect(await filesOf(join('alone', cell))).toEqual(await filesOf(join('whole', cell)));
      expect(await metricsOf('alone', cell)).toEqual(await metricsOf('whole', cell));
    },
    patience,
  );

  it(
    'trains a fresh attacker against a classifier that is given, and goes on only with the same file',
    async () => {
      const [c1, c2] = ['c1', 'c2'].map((name) => join('whole', cells[1]!, `classifier-${name}.onnx`));
      const fresh = ['--no-clip', '--eps', '0.1', '--seed', '6', '--against', c1!, '--transfer', c2!];
      await trained(['train', ...settings, ...fresh, '--out', 'fresh']);
      const result = await resultOf('fresh');
      const [run] = result.runs;
      const [, whole] = (await resultOf('whole')).runs;
      expect(result.config).toMatchObject({ classifierEpochs: { consecutive: 0 }, against: { source: c1 } });
      expect(run!.folder).toBe('consecutive-eps0.1-seed6');
      expect(run!.epochs.map(({ phase }) => phase)).toEqual(['attacker']);
      for (const name of ['c1', 'c2'] as const) {
        expect(run!.final[name].clean.accuracy).toBe(whole!.final[name].clean.accuracy);
        expect(run!.final[name].clean.loss).toBeCloseTo(whole!.final[name].clean.loss, 5);
      }
      expect(run!.models.attacker).not.toBe(whole!.models.attacker);

      await rm(join(cwd, 'fresh/result.json'));
      expect(await sparring(['train', '--resume', 'fresh'], { cwd })).toMatchObject({ code: 0 });
      expect(withoutEnvironment(await resultOf('fresh'))).toEqual(withoutEnvironment(result));
      await writeFile(join(cwd, c1!), await readFile(join(cwd, c2!)));
      expect(await sparring(['train', '--resume', 'fresh'], { cwd })).toMatchObject({
        code: 2,
        stderr: `sparring: ${c1} is not the file that the run started with; restore the original file\n`,
      });
    },
    patience,
  );

  it(
    'trains an attacker against several classifiers, which leaves C1 and C2 as they are',
    async () => {
      const several = ['--eps', '0.1', '--seed', '5', '--classifier-epochs', '2', '--targets', '2'];
      await trained(['train', ...settings, '--no-clip', ...several, '--out', 'targets']);
      const [run] = (await resultOf('targets')).runs;
      const [whole] = (await resultOf('whole')).runs;
      expect(run!.epochs.map(({ train }) => Object.keys(train))).toEqual([
        ['c1', 'c2', 'target2'],
        ['c1', 'c2', 'target2'],
        ['attacker'],
      ]);
      const { attacker, ...classifiers } = run!.models;
      expect(whole!.models).toMatchObject(classifiers);
      expect(attacker).not.toBe(whole!.models.attacker);
    },
    patience,
  );

  describe('in shards, by the examples of docs/sweeps.md,', () => {
    /** A `npx` that runs this checkout and makes the training small: written once, as examples run at the same time. */
    beforeAll(async () => {
      const small = [...settings, '--classifier-epochs', '1', ...sweep].join(' ');
      const script = [
        '#!/bin/sh',
        '[ "$1 $2 $3" = "-y pnpm@10 train" ] || exit 9',
        'shift 2',
        `exec '${process.execPath}' '${bin}' "$@" ${small}`,
      ];
      await mkdir(join(cwd, 'bin'));
      await writeFile(join(cwd, 'bin', 'npx'), `${script.join('\n')}\n`, { mode: 0o755 });
    });

    /** Runs an example as it stands. */
    async function example(command: string, env: Readonly<Record<string, string>>): Promise<Finished> {
      const child = spawn('sh', ['-c', command], {
        cwd,
        env: { ...process.env, ...env, PATH: `${join(cwd, 'bin')}:${process.env['PATH']}` },
      });
      const written = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr'] as const) {
        child[stream].setEncoding('utf8').on('data', (chunk: string) => (written[stream] += chunk));
      }
      return await new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code, signal) => resolve({ code, signal, ...written }));
      });
    }

    /** Those of some examples, run at the same time, that did not end well. */
    const failures = async (...runs: readonly Promise<Finished>[]): Promise<readonly Finished[]> =>
      (await Promise.all(runs)).filter(({ code }) => code !== 0);

    const blocks = async (language: string): Promise<string[]> => {
      const text = await readFile(new URL('../../docs/sweeps.md', import.meta.url), 'utf8');
      return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].flatMap(([, name, code]) =>
        name === language ? [code!] : [],
      );
    };

    const expectTheSweep = async (): Promise<void> => {
      const shards = ['runs/paper/shard-1-of-2', 'runs/paper/shard-2-of-2'];
      const [first, second] = await Promise.all(shards.map(resultOf));
      expect(first!.runs.map(({ folder }) => folder)).toEqual([cells[0]]);
      expect(second!.runs.map(({ folder }) => folder)).toEqual([cells[1]]);
      const merged = mergeResults([second!, first!]);
      expect(withoutEnvironment(merged)).toEqual(withoutEnvironment(await resultOf('unclipped')));
      expect(merged.environment.seconds).toBe(first!.environment.seconds + second!.environment.seconds);
      for (const [i, cell] of cells.entries()) {
        expect(await metricsOf(shards[i]!, cell)).toEqual(await metricsOf('unclipped', cell));
      }
    };

    beforeAll(async () => {
      const run = [
        'train',
        ...settings,
        '--classifier-epochs',
        '1',
        '--no-clip',
        '--out',
        'unclipped',
        ...sweep,
      ];
      await trained(run);
    }, patience);

    it(
      'a Slurm array gives, in two processes at once, what one run gives; and its command again changes nothing',
      async () => {
        const script = (await blocks('sh')).find((code) => code.includes('#SBATCH'))!;
        expect(script).toMatch(/^#SBATCH --array=1-\d+$/m);
        const task = (id: string) =>
          example(script, {
            SLURM_ARRAY_TASK_ID: id,
            SLURM_ARRAY_TASK_COUNT: '2',
            SLURM_CPUS_PER_TASK: '1',
          });
        expect(await failures(task('1'), task('2'))).toEqual([]);
        await expectTheSweep();
        const before = await filesOf('runs/paper');
        expect(await task('2')).toMatchObject({ code: 0, stderr: '' });
        expect(await filesOf('runs/paper')).toEqual(before);
        await rm(join(cwd, 'runs'), { recursive: true });
      },
      patience,
    );

    it(
      'a Kubernetes Indexed Job does so too',
      async () => {
        const [text] = await blocks('yaml');
        const job = parse(text!) as {
          spec: {
            completions: number;
            completionMode: string;
            template: {
              spec: {
                containers: [{ command: string[]; args: [string]; env: { name: string; value: string }[] }];
              };
            };
          };
        };
        const { completions, completionMode, template } = job.spec;
        const [{ command, args, env }] = template.spec.containers;
        expect(completionMode).toBe('Indexed');
        expect(command).toEqual(['sh', '-c']);
        expect(env).toEqual([{ name: 'SHARDS', value: String(completions) }]);
        const pod = (index: string) => example(args[0], { SHARDS: '2', JOB_COMPLETION_INDEX: index });
        expect(await failures(pod('0'), pod('1'))).toEqual([]);
        await expectTheSweep();
      },
      patience,
    );
  });
});
