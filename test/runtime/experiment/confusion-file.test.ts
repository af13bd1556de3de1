import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confusionJson, confusionPath } from '../../../src/runtime/experiment/confusion-file.ts';
import {
  accuracyByClass,
  collapseLines,
  collapseOf,
  describeCollapse,
  InputError,
  readConfusions,
  Result,
  type Confusion,
  type Confusions,
} from '../../../src/runtime/index.ts';
import { sparring } from '../../support/cli.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';
import { ResultSchema1 } from '../../support/result-schema-1.ts';
import { resultJson } from '../../support/results.ts';

/** Every class has ten images; `right` of them keep their answer and the others get `answer`. */
const readAs = (answer: number, right: number, classes: number): Confusion =>
  Array.from({ length: classes }, (_, label) =>
    Array.from({ length: classes }, (__, column) =>
      label === answer
        ? column === answer
          ? 10
          : 0
        : column === label
          ? right
          : column === answer
            ? 10 - right
            : 0,
    ),
  );

describe('the accuracy of each class', () => {
  it('is the part of its images that is on the diagonal', () => {
    expect(
      accuracyByClass([
        [3, 1],
        [2, 2],
      ]),
    ).toEqual([0.75, 0.5]);
  });

  it('is null for a class without images', () => {
    expect(
      accuracyByClass([
        [4, 0],
        [0, 0],
      ]),
    ).toEqual([1, null]);
  });
});

describe('a collapse onto one class', () => {
  it.each([3, 10, 43])('is found among %i classes', (classes) => {
    const collapse = collapseOf(readAs(2, 1, classes))!;
    expect(collapse.answer).toBe(2);
    expect(collapse.share).toBeCloseTo((10 + 9 * (classes - 1)) / (10 * classes), 12);
    expect(collapse.others).toBeCloseTo(0.1, 12);
  });

  it('is told in one line', () => {
    expect(describeCollapse({ answer: 8, share: 0.97, others: 0.0281 }, 'C1')).toBe(
      '97.0 % of the attacked images are read as 8; without the 8s, C1 is right on 2.8 %',
    );
  });

  it('is none where the answers are spread, right or wrong', () => {
    const spread = (shift: number): Confusion =>
      Array.from({ length: 10 }, (_, label) =>
        Array.from({ length: 10 }, (__, answer) => (answer === (label + shift) % 10 ? 10 : 0)),
      );
    expect(collapseOf(spread(0))).toBeNull();
    expect(collapseOf(spread(1))).toBeNull();
  });

  it('is none where the test set itself is mostly of that class', () => {
    expect(
      collapseOf([
        [90, 0],
        [5, 5],
      ]),
    ).toBeNull();
  });

  it('has no accuracy on other classes where there are no other images', () => {
    const collapse = { answer: 0, share: 1, others: null };
    expect(describeCollapse(collapse, 'C1')).toBe('100.0 % of the attacked images are read as 0 by C1');
  });
});

describe('confusion.json', () => {
  let folder: string;
  let source: string;
  const [run] = Result.parse(
    JSON.parse(resultJson([{ mode: 'consecutive', eps: 0.16, c1: 0.1, c2: 0.9 }])),
  ).runs;
  const spread: Confusion = [
    [7, 3],
    [2, 8],
  ];
  const confusions: Confusions = {
    c1: { clean: spread, attacked: readAs(1, 0, 2) },
    c2: { clean: spread, attacked: spread },
  };
  const write = (text: string): Promise<void> => writeFile(confusionPath(join(folder, run!.folder)), text);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparring-confusion-'));
    source = join(folder, 'result.json');
    await mkdir(join(folder, run!.folder));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it('is read as it was written, a row of a matrix a line', async () => {
    const text = confusionJson(run!.models, confusions);
    await write(text);
    expect(text).toContain('\n      [7, 3],\n      [2, 8]\n');
    expect(JSON.parse(text)).toMatchObject({ c1: { accuracyByClass: { clean: [0.7, 0.8] } } });
    expect(await readConfusions(source, run!)).toEqual(confusions);
  });

  it('gives nothing where it is not there, or is about other models', async () => {
    expect(await readConfusions(source, { ...run!, folder: 'elsewhere' })).toBeNull();
    await write(confusionJson({ ...run!.models, c1: 'other' }, confusions));
    expect(await readConfusions(source, run!)).toBeNull();
  });

  it('may hold fields that this version does not know', async () => {
    await write(JSON.stringify({ ...JSON.parse(confusionJson(run!.models, confusions)), later: true }));
    expect(await readConfusions(source, run!)).toEqual(confusions);
  });

  it.each([
    ['{', 'is not JSON; restore the original file'],
    [
      JSON.stringify({
        ...JSON.parse(confusionJson({ ...run!.models }, confusions)),
        c1: { clean: [[1, 2]], attacked: [[1]] },
      }),
      'c1.clean: must have as many columns as rows; restore the original file',
    ],
  ])('is rejected in one line when it is damaged: %.12s', async (text, message) => {
    await write(text);
    await expect(readConfusions(source, run!)).rejects.toThrow(InputError);
    await expect(readConfusions(source, run!)).rejects.toThrow(message);
  });

  it('makes one line for each classifier that collapses, with the cell where there are several', async () => {
    await write(confusionJson(run!.models, confusions));
    const result = Result.parse(
      JSON.parse(resultJson([{ mode: 'consecutive', eps: 0.16, c1: 0.1, c2: 0.9 }])),
    );
    const line = '100.0 % of the attacked images are read as 1; without the 1s, C1 is right on 0.0 %';
    expect(await collapseLines(source, result)).toEqual([line]);
    const two = { ...result, runs: [run!, { ...run!, folder: 'not-measured' }] };
    expect(await collapseLines(source, two)).toEqual([`${run!.folder}: ${line}`]);
  });
});

describe('a run', () => {
  let cwd: string;
  const cell = 'run/consecutive-eps0.3-seed5';
  const json = async (path: string): Promise<unknown> => JSON.parse(await readFile(join(cwd, path), 'utf8'));
  let stdout: string;

  beforeAll(async () => {
    cwd = await mkdtemp(join(tmpdir(), 'sparring-confusion-run-'));
    await writeIdxFolder(join(cwd, 'data'), { train: examples(16), test: examples(20) });
    const settings = '--device cpu --threads 1 --eps 0.3 --seed 5 --batch-size 8 --out run';
    const epochs = '--classifier-epochs 1 --attacker-epochs 1';
    const args = ['train', '--data', join(cwd, 'data'), ...settings.split(' '), ...epochs.split(' ')];
    ({ stdout } = await sparring(args, { cwd }));
  }, 240_000);
  afterAll(async () => {
    await rm(cwd, { recursive: true });
  });

  it('leaves confusion matrices that agree with the accuracies of its result', async () => {
    const result = Result.parse(await json('run/result.json'));
    const confusions = (await readConfusions(join(cwd, 'run/result.json'), result.runs[0]!))!;
    for (const classifier of ['c1', 'c2'] as const) {
      for (const view of ['clean', 'attacked'] as const) {
        const counts = confusions[classifier][view];
        const right = counts.reduce((sum, row, label) => sum + row[label]!, 0);
        expect(counts.flat().reduce((sum, n) => sum + n, 0)).toBe(20);
        expect(right / 20).toBe(result.runs[0]!.final[classifier][view]!.accuracy);
      }
    }
    const lines = await collapseLines(join(cwd, 'run/result.json'), result);
    for (const line of lines) expect(stdout).toContain(`${line}\n`);
    expect(await readdir(join(cwd, cell))).toContain('confusion.json');
  });

  it('leaves a result that older versions read, which allow no further field', async () => {
    const result = (await json('run/result.json')) as Result;
    expect(ResultSchema1.safeParse(result).error).toBeUndefined();
    const [first] = result.runs;
    const more = [
      { ...result, confusions: {} },
      { ...result, runs: [{ ...first, confusions: {} }] },
      { ...result, runs: [{ ...first, final: { ...first!.final, confusions: {} } }] },
    ];
    for (const each of more) expect(ResultSchema1.safeParse(each).success).toBe(false);
  });
});

it('results that older versions wrote are still read', async () => {
  const results = fileURLToPath(new URL('../../../results/', import.meta.url));
  const files = (await readdir(results, { recursive: true })).filter((name) => name.endsWith('result.json'));
  expect(files.length).toBeGreaterThan(6);
  for (const file of files) {
    const result = Result.parse(JSON.parse(await readFile(join(results, file), 'utf8')));
    expect(await collapseLines(join(results, file), result)).toEqual([]);
  }
});
