import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as b from '../../src/builder/index.ts';
import { command } from '../support/command.ts';
import { around, elsewhere, splitWeights } from '../support/elsewhere.ts';
import { digits, nearestMean } from '../support/examples.ts';
import { examples, writeIdxFolder } from '../support/idx.ts';

const home = process.cwd();
let folder: string;
const images = (shape: b.Shape): b.Value => b.input('pixels', 'float32', shape);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparring-foreign-'));
  process.chdir(folder);
  await writeIdxFolder('data', { train: examples(16), test: examples(8) });
  const classifier = nearestMean((await digits(1)).known);
  const nhwc = around(classifier, images(['n', 28, 28, 1]), (x) => b.transpose(x, [0, 3, 1, 2]));
  await writeFile('nhwc.onnx', elsewhere(nhwc));
  const bytes = around(classifier, images(['n', 28, 28, 1]), (x) =>
    b.mul(b.transpose(x, [0, 3, 1, 2]), 1 / 255),
  );
  await writeFile('bytes.onnx', elsewhere(bytes));
  await writeFile('batch1.onnx', elsewhere(around(classifier, images([1, 1, 28, 28]))));
  const [model, data] = splitWeights(around(classifier, images(['n', 1, 28, 28])), 'external.onnx.data');
  await writeFile('external.onnx', model);
  await writeFile('external.onnx.data', data);
});
afterAll(async () => {
  process.chdir(home);
  await rm(folder, { recursive: true });
});

describe('a classifier of digits from elsewhere', () => {
  const settings = '--data data --device cpu --threads 1 --batch-size 8 --attacker-epochs 1 --eps 0.3';

  it.each(['batch1', 'external', 'nhwc'])(
    '(%s) has an attacker trained against it',
    { timeout: 60_000 },
    async (name) => {
      const args = [...settings.split(' '), '--against', `${name}.onnx`, '--out', name];
      const { code, stderr } = await command('train', ...args);
      expect(stderr).toContain(`${name}.onnx: pixels 0..1 (assumed: nothing says otherwise)`);
      expect(code).toBe(0);
    },
  );

  it('is read as the options say, in a run that is resumed too', { timeout: 60_000 }, async () => {
    const said = ['--scale', '0..255', '--layout', 'nhwc'];
    const args = [...settings.split(' '), '--against', 'bytes.onnx', '--out', 'said'];
    const { code, stderr } = await command('train', ...args, ...said);
    expect(stderr).toContain('bytes.onnx: pixels 0..255');
    expect(code).toBe(0);
    const { against } = JSON.parse(await readFile('said/config.json', 'utf8')) as {
      against: { adopt: unknown };
    };
    expect(against.adopt).toEqual({ scale: '0..255', layout: 'nhwc' });
    const again = await command('train', '--resume', 'said');
    expect(again).toMatchObject({ code: 0 });
    expect(again.stderr).toContain('bytes.onnx: pixels 0..255');
    const lone = await command('train', ...settings.split(' '), '--out', 'lone', ...said);
    expect(lone.stderr).toMatch(/--(scale|layout) goes with --against/);
  });

  it('is evaluated', { timeout: 60_000 }, async () => {
    const quick = '--attacks fgsm --eps-curve none --device cpu --threads 1';
    expect(await command('evaluate', 'nhwc', ...quick.split(' '))).toMatchObject({ code: 0 });
    const { cells } = JSON.parse(await readFile('nhwc/evaluation.json', 'utf8')) as {
      cells: readonly [{ c1: { clean: { accuracy: number }; attacks: { fgsm: { accuracy: number } } } }];
    };
    const [{ c1 }] = cells;
    expect(c1.attacks.fgsm.accuracy).toBeLessThanOrEqual(c1.clean.accuracy);
  });
});
