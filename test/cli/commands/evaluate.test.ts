import { createHash } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as b from '../../../src/builder/index.ts';
import { decodeSafetensors, Evaluation, stream } from '../../../src/runtime/index.ts';
import { modelOf, pixels } from '../../support/classifiers.ts';
import { sparring, start, type Finished } from '../../support/cli.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';
import { between, drawn } from '../../support/run.ts';

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
      const { clean, attacks } = cell![who]!;
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
      const { clean, attacks, worst } = cell![who]!;
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
      const less = '--attacks pgd,noise --restarts 2 --eps-curve none --force'.split(' ');
      const again = await evaluate('run', ...less);
      expect(again).toMatchObject({ code: 0 });
      expect(again.stdout).toContain('PGD-3');
      expect(again.stdout).not.toContain('FGSM');
      const after = await evaluationOf('run');
      expect(after.curves).toEqual([]);
      expect(after.matrix).toBeNull();
      for (const who of ['c1', 'c2'] as const) {
        const { pgd, noise } = before.cells[0]![who]!.attacks;
        expect(after.cells[0]![who]!.attacks).toEqual({ noise, pgd });
      }
    },
    patience,
  );
});

/** `evaluation.json` without what differs from one machine, moment and command line to the next. */
const numbersOf = ({ environment, command, ...numbers }: Evaluation) => {
  expect(environment.device).toBe('cpu');
  expect(command[0]).toBe('evaluate');
  return numbers;
};
const partials = async (folder: string): Promise<string[]> =>
  (await readdir(join(cwd, folder))).filter((name) => name.startsWith('evaluation.partial-'));

describe('an evaluation that is interrupted', () => {
  const args = 'evaluate run --device cpu --threads 1 --eps-curve none'.split(' ');
  const long = [...args, ...'--attacks noise,fgsm,pgd --steps 100'.split(' ')];

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'by %s keeps the finished attacks, and says how to resume',
    async (signal) => {
      const command = start([...long, '--out', signal], { cwd });
      await command.says('pgd');
      command.process.kill(signal);
      // a package runner relays the signal once more
      command.process.kill(signal);
      const { code, stdout, stderr } = await command.finished;
      expect({ code, stdout }).toEqual({ code: 128 + constants.signals[signal], stdout: '' });
      expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
        /^saved \d parts of the evaluation; resume with: npx sparring evaluate run .*/,
      );
      expect(await partials(signal)).toHaveLength(1);
    },
    patience,
  );

  it(
    'resumes without the finished attacks, to the numbers of an uninterrupted one',
    async () => {
      const resumed = await sparring([...long, '--out', 'SIGINT'], { cwd });
      expect(resumed).toMatchObject({ code: 0 });
      expect(resumed.stderr).toMatch(/^resuming with \d parts that were finished before$/m);
      expect(resumed.stderr).not.toContain('fgsm');
      expect(await partials('SIGINT')).toEqual([]);
      expect(await sparring([...long, '--out', 'whole'], { cwd })).toMatchObject({ code: 0 });
      expect(numbersOf(await evaluationOf('SIGINT'))).toEqual(numbersOf(await evaluationOf('whole')));
    },
    patience,
  );

  it(
    'begins anew with other settings, and leaves what was kept',
    async () => {
      const other = [...args, ...'--attacks noise --seed 6 --out SIGTERM'.split(' ')];
      const { code, stderr } = await sparring(other, { cwd });
      expect(code).toBe(0);
      expect(stderr).not.toContain('resuming with');
      expect(await partials('SIGTERM')).toHaveLength(1);
    },
    patience,
  );
});

describe('an evaluation that cannot be written', () => {
  it('is rejected before the first attack, with the way out', async () => {
    await mkdir(join(cwd, 'blocked/evaluation.json'), { recursive: true });
    const { code, stdout, stderr } = await evaluate('run', '--out', 'blocked');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      `sparring: cannot write ${join('blocked', 'evaluation.json')}: it is a folder, not a file; remove it or choose another folder (--out DIR)\n`,
    );
  });

  it('into a folder that takes no file is rejected before the first attack', async () => {
    await writeFile(join(cwd, 'file'), '');
    const { code, stderr } = await evaluate('run', '--out', 'file');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sparring: cannot write into file: .*\(--out DIR\)\n$/);
  });

  it.skipIf(process.platform !== 'linux')(
    'into a file system that makes no folders is rejected before the first attack',
    async () => {
      const { code, stderr } = await evaluate('run', '--out', '/proc/here');
      expect(code).toBe(2);
      expect(stderr).toMatch(/^sparring: cannot write into \/proc\/here: .*\(--out DIR\)\n$/);
    },
  );

  it.skipIf(process.platform === 'win32')(
    'for lack of room is rejected before the first attack',
    async () => {
      const args = ['evaluate', 'run', '--device', 'cpu', '--out', 'no-room'];
      const { code, stderr } = await sparring(args, { cwd, fileLimit: 64 });
      expect(code).toBe(2);
      expect(stderr).toBe(
        'sparring: cannot write into no-room: the file is larger than this system allows; raise the limit or choose another folder (--out DIR)\n',
      );
      expect(await readdir(join(cwd, 'no-room'))).toEqual([]);
    },
  );

  it(
    'in the end prints what was measured, and exits with 1 and one line',
    async () => {
      const args = ['evaluate', 'run', '--device', 'cpu', '--threads', '1', '--eps-curve', 'none'];
      const command = start([...args, '--out', 'lost'], { cwd });
      await command.says('noise');
      await mkdir(join(cwd, 'lost/evaluation.json'));
      const { code, stdout, stderr } = await command.finished;
      expect(code).toBe(1);
      expect(stdout).toContain('PGD-40');
      expect(stderr.trimEnd().split('\n').at(-1)).toBe(
        `sparring: cannot write ${join('lost', 'evaluation.json')}: it is a folder, not a file; check the path`,
      );
      // the parts are still there, for a call that can write
      expect(await partials('lost')).toHaveLength(1);
    },
    patience,
  );
});

describe('an evaluation beside one that holds more', () => {
  it(
    'is rejected before the first attack unless it goes elsewhere or is forced',
    async () => {
      const some = '--attacks noise --eps-curve none'.split(' ');
      expect(await evaluate('run', ...some, '--out', 'fuller')).toMatchObject({ code: 0 });
      const less = [...some, '--test-limit', '10', '--out', 'fuller'];
      expect(await evaluate('run', ...less)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: `sparring: ${join('fuller', 'evaluation.json')} holds more than this evaluation will: 40 images, not 10; write elsewhere with --out DIR, or replace it with --force\n`,
      });
      expect((await evaluationOf('fuller')).data.images).toBe(images);
      expect(await evaluate('run', ...less, '--force')).toMatchObject({ code: 0 });
      expect((await evaluationOf('fuller')).data.images).toBe(10);
      expect(await evaluate('run', ...some, '--out', 'fuller')).toMatchObject({ code: 0 });
      expect((await evaluationOf('fuller')).data.images).toBe(images);
    },
    patience,
  );

  it('is rejected when nobody can say what it holds', async () => {
    await mkdir(join(cwd, 'unknown'));
    await writeFile(join(cwd, 'unknown/evaluation.json'), '{"schema": 9}');
    const { code, stderr } = await evaluate('run', '--out', 'unknown');
    expect(code).toBe(2);
    expect(stderr).toContain('is no evaluation that this version reads; write elsewhere with --out DIR');
  });
});

it(
  'finds data that were moved by --data, and says so where it is missing or other data',
  async () => {
    await rename(join(cwd, 'data'), join(cwd, 'moved'));
    try {
      const gone = await evaluate('run');
      expect(gone).toMatchObject({ code: 2, stdout: '' });
      expect(gone.stderr).toMatch(
        /^sparring: cannot read the data set data.*; if the data of run has moved, name its folder with --data\n$/,
      );
      await writeIdxFolder(join(cwd, 'not-it'), { train: examples(48), test: examples(images + 1) });
      const other = await evaluate('run', '--data', 'not-it');
      expect(other).toMatchObject({ code: 2, stdout: '' });
      expect(other.stderr).toMatch(/^sparring: not-it is not the data of run: sha256 .*\n$/);
      const some = '--data moved --attacks noise --eps-curve none --out with-data'.split(' ');
      expect(await evaluate('run', ...some)).toMatchObject({ code: 0 });
      expect((await evaluationOf('with-data')).data.source).toBe('data');
      expect(await readFile(join(cwd, 'with-data/report.html'), 'utf8')).not.toContain('is not here');
    } finally {
      await rename(join(cwd, 'moved'), join(cwd, 'data'));
    }
  },
  patience,
);

describe('a run against a classifier that is given', () => {
  /** Trains an attacker against a hand-made classifier. */
  const against = async (
    name: string,
    f: (image: b.Value) => b.Value,
    eps = '0.3',
    ...more: readonly string[]
  ) => {
    await writeFile(join(cwd, `${name}.onnx`), modelOf('logits', f));
    const settings = '--data data --device cpu --threads 1 --batch-size 8 --attacker-epochs 1 --eps';
    const args = [...settings.split(' '), eps, ...more, '--against', `${name}.onnx`, '--out', name];
    return sparring(['train', ...args], { cwd });
  };
  const weight = b.constant(
    drawn('float32', [pixels, 10], between(stream(1, 'evaluate', 'weight'), -0.1, 0.1)),
  );
  const linear = (image: b.Value): b.Value => b.matmul(b.reshape(image, [-1, pixels]), weight);

  it(
    'and no other for transfer has no C2 in the tables, the list of files, the evaluation and the report',
    async () => {
      const trained = await against('alone', linear);
      expect(trained.code).toBe(0);
      expect(trained.stdout).not.toMatch(/c2/i);
      const { code, stdout } = await evaluate('alone', '--eps-curve', '0.1', '--matrix');
      expect(code).toBe(0);
      expect(stdout).toContain('C1 white-box');
      expect(stdout).not.toContain('C2');
      const { cells, curves, matrix, threat, warnings } = await evaluationOf('alone');
      expect(cells[0]).not.toHaveProperty('c2');
      expect(cells[0]!.models).not.toHaveProperty('c2');
      expect(threat.knowledge).toEqual({ c1: 'white-box' });
      expect([...curves, ...warnings].filter(({ classifier }) => classifier === 'c2')).toEqual([]);
      expect(matrix!.classifiers.map(({ role }) => role)).toEqual(['c1']);
      const page = await readFile(join(cwd, 'alone/report.html'), 'utf8');
      expect(page).not.toContain('C2 has the same architecture');
      expect(page).not.toContain('C2, transfer');
    },
    patience,
  );

  it(
    'and whose gradient vanishes says so in the first line, in the table and in the report',
    async () => {
      // a path for the gradient is there, and multiplies it by 0
      const blind = (image: b.Value): b.Value =>
        b.add(linear(b.cast(b.greater(image, 0.5), 'float32')), b.mul(linear(image), 0));
      const trained = await against('blind', blind);
      expect(trained).toMatchObject({ code: 0 });
      expect(trained.stderr.split('\n')[0]).toMatch(
        /^warning: blind\.onnx: the gradient is zero on every pixel of 40 of 40 images/,
      );
      const { code, stdout, stderr } = await evaluate('blind', '--eps-curve', 'none');
      expect(code).toBe(0);
      expect(stderr.split('\n')[0]).toMatch(
        /^warning: .* C1: the gradient is zero on every pixel of 40 of 40/,
      );
      expect(stdout).toContain('* no proof of robustness: zero-gradient');
      expect((await evaluationOf('blind')).warnings.map(({ check }) => check)).toContain('zero-gradient');
      expect(await readFile(join(cwd, 'blind/report.html'), 'utf8')).toContain('zero-gradient');
    },
    patience,
  );

  it(
    'and ends in a softmax is attacked before it',
    async () => {
      // sure of itself, so that the gradient through the softmax is 0 in float32
      const sure = (image: b.Value): b.Value => b.softmax(b.mul(linear(image), 50));
      const trained = await against('sure', sure);
      expect(trained).toMatchObject({ code: 0 });
      expect(trained.stderr).toContain(
        'sure.onnx: logits gives 10 classes: probabilities of a softmax, which is taken off',
      );
      const { code, stdout } = await evaluate('sure', '--eps-curve', 'none');
      expect(code).toBe(0);
      expect(stdout).not.toContain('no proof of robustness');
      const { cells, warnings } = await evaluationOf('sure');
      expect(warnings).toEqual([]);
      expect(cells[0]!.c1.attacks.pgd!.accuracy).toBe(0);
    },
    patience,
  );

  it(
    'and whose answers under attack are no numbers is reported with the cell and the attack',
    async () => {
      // pixels below -0.05 have no root, and an unclipped attack of eps 0.3 makes some
      const rooted = (image: b.Value): b.Value => b.add(linear(image), linear(b.sqrt(b.add(image, 0.05))));
      expect(await against('rooted', rooted, '0.04', '--no-clip')).toMatchObject({ code: 0 });
      const { code, stderr } = await evaluate('rooted', '--eps-curve', '0.3');
      expect(code).toBe(0);
      expect(stderr).toMatch(
        /^warning: consecutive-eps0\.04-seed1 C1: the curve of pgd at eps 0\.3: the logits of 40 images are not all numbers/m,
      );
      const { curves, warnings } = await evaluationOf('rooted');
      const pgd = curves.find(({ attack }) => attack === 'pgd')!;
      expect(pgd.points).toMatchObject([{ eps: 0.3, accuracy: 0, notNumbers: images }]);
      expect(pgd.points[0]).not.toHaveProperty('loss');
      expect(warnings.map(({ check }) => check)).toContain('not-a-number');
    },
    patience,
  );
});

describe('a line and exit code 2', () => {
  it.each<readonly [args: string, line: string]>([
    ['', 'there is no runs/latest; train a run first, or name the folder of one'],
    ['nowhere', 'run folder nowhere does not exist'],
    ['run --attacks noise,cw', 'It must be some of noise,fgsm,pgd,attacker, got cw.'],
    ['run --eps-curve 0.1,8', 'eps must be in (0, 1], got 8 (did you mean 8/255'],
    ['run --test-limit 41', '--test-limit: the limit must be an integer in 1..40'],
    ['run --also other', '--also names runs for the matrix; add --matrix'],
  ])('for evaluate %s', async (args, line) => {
    const { code, stdout, stderr } = await sparring(['evaluate', ...args.split(' ').filter(Boolean)], {
      cwd,
    });
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
