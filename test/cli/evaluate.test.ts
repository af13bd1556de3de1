import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors, Evaluation } from '../../src/runtime/index.ts';
import { sparring, type Finished } from '../support/cli.ts';
import { examples, writeIdxFolder } from '../support/idx.ts';

const patience = 240_000;
const images = 40;
let cwd: string;
let trained: readonly Finished[];
let first: Finished;

const evaluate = (run: string, ...more: readonly string[]): Promise<Finished> =>
  sparring(['evaluate', run, ...'--device cpu --threads 1 --steps 3 --seed 5'.split(' '), ...more], { cwd });
const evaluationOf = async (run: string): Promise<Evaluation> =>
  Evaluation.parse(JSON.parse(await readFile(join(cwd, run, 'evaluation.json'), 'utf8')));

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-evaluate-'));
  await writeIdxFolder(join(cwd, 'data'), { train: examples(48), test: examples(images) });
  const train = (out: string, ...more: readonly string[]): Promise<Finished> => {
    const settings = '--data data --device cpu --threads 1 --eps 0.3 --seed 5 --batch-size 8';
    const epochs = '--classifier-epochs 2 --attacker-epochs 1';
    return sparring(['train', ...settings.split(' '), ...epochs.split(' '), '--out', out, ...more], { cwd });
  };
  trained = [await train('run'), await train('other', '--architecture', 'lenet5', '--train-limit', '16')];
  first = await evaluate(
    'run',
    ...'--restarts 2 --eps-curve 0.5,0.1 --curve-images 16 --matrix --also other --json'.split(' '),
  );
}, patience);
afterAll(async () => {
  await rm(cwd, { recursive: true });
});

describe('sparring evaluate', () => {
  it('prints and writes an evaluation of the contract', async () => {
    expect(trained).toMatchObject([{ code: 0 }, { code: 0 }]);
    expect(first).toMatchObject({ code: 0 });
    const evaluation = await evaluationOf('run');
    expect(JSON.parse(first.stdout)).toEqual(evaluation);
    expect(evaluation.data.images).toBe(images);
    expect(evaluation.attacks).toEqual([
      { attack: 'noise', seed: 5 },
      { attack: 'fgsm', loss: 'cross-entropy', steps: 1, stepSize: 1 },
      {
        attack: 'pgd',
        loss: 'cross-entropy',
        steps: 3,
        stepSize: 2.5 / 3,
        restarts: 2,
        start: 'uniform',
        seed: 5,
      },
      { attack: 'attacker' },
    ]);
    const [cell] = evaluation.cells;
    expect(Object.keys(cell!.c1.attacks)).toEqual(['noise', 'fgsm', 'pgd', 'attacker']);
    expect(evaluation.curves.map(({ classifier, attack }) => `${classifier} ${attack}`)).toEqual([
      'c1 noise',
      'c1 fgsm',
      'c1 pgd',
      'c2 noise',
      'c2 fgsm',
      'c2 pgd',
    ]);
    for (const { points } of evaluation.curves) expect(points.map((p) => p.eps)).toEqual([0.1, 0.5]);
    const { attackers, classifiers } = evaluation.matrix!;
    expect(attackers.map(({ run }) => run)).toEqual(['.', 'other']);
    expect(classifiers.map(({ role, architecture }) => `${role} ${architecture}`)).toEqual([
      'c1 paper',
      'c2 paper',
      'c1 lenet5',
      'c2 lenet5',
    ]);
  });

  it('gives the numbers that training ended with, for what both measure', async () => {
    const { final } = (
      JSON.parse(await readFile(join(cwd, 'run', 'result.json'), 'utf8')) as {
        runs: {
          final: Record<
            'c1' | 'c2',
            Record<'clean' | 'noise' | 'attacked', { accuracy: number; loss: number }>
          >;
        }[];
      }
    ).runs[0]!;
    const [cell] = (await evaluationOf('run')).cells;
    for (const who of ['c1', 'c2'] as const) {
      const { clean, attacks } = cell![who];
      for (const [measured, trained] of [
        [clean, final[who].clean],
        [attacks.noise!, final[who].noise],
        [attacks.attacker!, final[who].attacked],
      ] as const) {
        expect(measured.accuracy).toBe(trained.accuracy);
        expect(measured.loss).toBeCloseTo(trained.loss, 4);
      }
    }
  });

  it('exports which examples are right, the worst case among them', async () => {
    const [cell] = (await evaluationOf('run')).cells;
    const file = join(cwd, 'run', cell!.masks);
    const { tensors } = decodeSafetensors(new Uint8Array(await readFile(file)), file);
    expect([...tensors.get('label')!.data].map(Number)).toEqual([...examples(images).labels]);
    for (const who of ['c1', 'c2'] as const) {
      const mask = (name: string): number[] => [...tensors.get(`${who}/${name}`)!.data].map(Number);
      const { clean, attacks, worst } = cell![who];
      for (const [name, { accuracy }] of Object.entries({ clean, ...attacks, worst })) {
        expect(mask(name).reduce((a, b) => a + b, 0) / images).toBe(accuracy);
      }
      const all = ['clean', ...Object.keys(attacks)].map(mask);
      expect(mask('worst')).toEqual(mask('clean').map((_, i) => Math.min(...all.map((m) => m[i]!))));
    }
  });

  it(
    'gives the same numbers again, and only the attacks that are asked for',
    async () => {
      const before = await evaluationOf('run');
      const again = await evaluate('run', '--attacks', 'pgd,noise', '--restarts', '2', '--eps-curve', 'none');
      expect(again).toMatchObject({ code: 0 });
      expect(again.stdout).toContain('PGD-3');
      expect(again.stdout).not.toContain('FGSM');
      const after = await evaluationOf('run');
      expect(after.curves).toEqual([]);
      expect(after.matrix).toBeNull();
      for (const who of ['c1', 'c2'] as const) {
        const { pgd, noise } = before.cells[0]![who].attacks;
        expect(after.cells[0]![who].attacks).toEqual({ noise, pgd });
      }
    },
    patience,
  );
});

describe('a line and exit code 2', () => {
  it.each<readonly [args: string, line: string]>([
    ['nowhere', 'nowhere/result.json: no cell is finished; is nowhere a run folder'],
    ['run --attacks noise,cw', 'It must be some of noise,fgsm,pgd,attacker, got cw.'],
    ['run --eps-curve 0.1,8', 'eps must be in (0, 1], got 8 (did you mean 8/255'],
    ['run --test-limit 41', '--test-limit: the limit must be an integer in 1..40'],
    ['run --also other', '--also names runs for the matrix; add --matrix'],
  ])('for evaluate %s', async (args, line) => {
    const { code, stdout, stderr } = await sparring(['evaluate', ...args.split(' ')], { cwd });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it('for a model that is not the one the run wrote', async () => {
    const before = await readFile(join(cwd, 'other', 'consecutive-eps0.3-seed5', 'classifier-c1.onnx'));
    const hash = createHash('sha256').update(before).digest('hex').slice(0, 12);
    await appendFile(join(cwd, 'other', 'consecutive-eps0.3-seed5', 'classifier-c1.onnx'), 'x');
    const { code, stderr } = await sparring(['evaluate', 'other', '--device', 'cpu'], { cwd });
    expect(code).toBe(2);
    expect(stderr).toContain('classifier-c1.onnx is not the file that the run wrote');
    expect(stderr).toContain(hash);
  });
});
