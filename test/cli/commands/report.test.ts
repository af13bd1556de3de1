import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readInputs, writeReport } from '../../../src/cli/experiment/write-report.ts';
import { Result } from '../../../src/runtime/index.ts';
import { sparring } from '../../support/cli.ts';
import { evaluationOf } from '../../support/evaluations.ts';
import { examples, writeIdxFolder } from '../../support/idx.ts';
import { asInThePaper, resultJson } from '../../support/results.ts';

let cwd: string;
const cell = 'runs/real/consecutive-eps0.3-seed5';

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sparring-report-'));
  await writeIdxFolder(join(cwd, 'data'), { train: examples(16), test: examples(20) });
  const settings = '--device cpu --threads 1 --eps 0.3,0.6 --seed 5 --batch-size 8';
  const epochs = '--classifier-epochs 1 --attacker-epochs 1 --out runs/real';
  await sparring(['train', '--data', join(cwd, 'data'), ...settings.split(' '), ...epochs.split(' ')], {
    cwd,
  });
  await mkdir(join(cwd, 'runs/made-up'), { recursive: true });
  await writeFile(join(cwd, 'runs/made-up/result.json'), resultJson(asInThePaper));
  await writeFile(join(cwd, 'runs/made-up/evaluation.json'), JSON.stringify(evaluationOf(asInThePaper)));
}, 240_000);
afterAll(async () => {
  await rm(cwd, { recursive: true });
});

describe('sparring report', () => {
  it('writes a page and its figures beside the result, and prints their paths', async () => {
    const { code, stdout, stderr } = await sparring(['report', 'runs/real'], { cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const figures = await readdir(join(cwd, 'runs/real/figures'));
    const files = ['runs/real/report.html', ...figures.map((name) => `runs/real/figures/${name}`)];
    expect(stdout.trimEnd().split('\n').sort()).toEqual(files.sort());
    // two eps, one epoch: nothing else says more than the tables
    expect(figures).toEqual(['figure-2a.png', 'figure-2a.svg']);
  });

  it('leaves out a stray file, and says so', async () => {
    const folder = join(cwd, 'copies');
    await mkdir(folder);
    await writeFile(join(folder, 'a.json'), resultJson(asInThePaper));
    await writeFile(join(folder, 'notes.json'), '{"note":1}');
    const { code, stderr } = await sparring(['report', 'copies', '--out', 'copies/'], { cwd });
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'copies/notes.json: not a result or an evaluation; ignored\n',
    });
    await writeFile(join(folder, 'b.json'), resultJson(asInThePaper).slice(0, -20));
    expect(await sparring(['report', 'copies'], { cwd })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('copies/b.json: is not JSON; restore the original file') as string,
    });
    await rm(folder, { recursive: true });
  });

  it('draws figure 2 from the models of the run', async () => {
    const page = await readFile(join(cwd, 'runs/real/report.html'), 'utf8');
    const figure = await readFile(join(cwd, 'runs/real/figures/figure-2a.svg'), 'utf8');
    // two eps of two digits, each as original, perturbation and attack
    expect(figure.match(/data:image\/png;base64/g)).toHaveLength(12);
    expect(figure).toMatch(/eps 0\.3: C1 takes the \d for a \d and C1 takes the \d for a \d/);
    // columns are the measured eps, and no others
    expect(figure).toMatch(/>0\.3<.*>0\.6</s);
    expect(figure).not.toContain('>0.01<');
    expect(page).toContain('figure-2a-title');
  });

  it('holds the samples and the confusion matrices of the run', async () => {
    const page = await readFile(join(cwd, 'runs/real/report.html'), 'utf8');
    const png = await readFile(join(cwd, cell, 'samples.png'));
    expect(page).toContain(`src="data:image/png;base64,${png.toString('base64')}"`);
    expect(page).toContain('Which class is read as which');
    expect(page.match(/<table class="matrix">/g)).toHaveLength(8); // two cells, C1 and C2, before and after
  });

  it('reports shards together, and gives them as the one result of their sweep', async () => {
    const whole = Result.parse(JSON.parse(resultJson(asInThePaper)));
    for (const index of [1, 2]) {
      const folder = join(cwd, 'shards', `shard-${index}-of-2`);
      await mkdir(folder, { recursive: true });
      const shard: Result = {
        ...whole,
        config: { ...whole.config, shard: { index, count: 2 } },
        runs: whole.runs.filter((_, i) => i % 2 === index - 1),
      };
      await writeFile(join(folder, 'result.json'), JSON.stringify(shard));
    }
    await symlink('shard-1-of-2', join(cwd, 'shards/latest'));
    const { code, stdout } = await sparring(['report', 'shards', '--json'], { cwd });
    expect(code).toBe(0);
    const merged = Result.parse(JSON.parse(stdout));
    expect({ ...merged, environment: null }).toEqual({ ...whole, environment: null });
    const page = await readFile(join(cwd, 'shards/report.html'), 'utf8');
    for (const { mode, eps } of asInThePaper) expect(page).toContain(`${mode}-eps${eps}-seed1`);
    expect(page).toContain('shards/shard-1-of-2/result.json');
    expect(page).not.toContain('latest');
  });

  it('writes the tables as Markdown from JSON files alone', async () => {
    await mkdir(join(cwd, 'results'));
    await writeFile(join(cwd, 'results/sweep.json'), resultJson(asInThePaper));
    await writeFile(join(cwd, 'results/sweep-attacks.json'), JSON.stringify(evaluationOf(asInThePaper)));
    const { code, stdout } = await sparring(['report', 'results', '--markdown'], { cwd });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'results/README.md\n' });
    expect((await readdir(join(cwd, 'results'))).sort()).toEqual([
      'README.md',
      'sweep-attacks.json',
      'sweep.json',
    ]);
    const text = await readFile(join(cwd, 'results/README.md'), 'utf8');
    expect(text.match(/\*\*yes\*\*/g)).toHaveLength(7);
  });

  it('refuses several folders without a place for their report in one line', async () => {
    expect(await sparring(['report', 'a', 'b'], { cwd })).toMatchObject({
      code: 2,
      stderr: 'sparring: a report of several folders needs a folder of its own; name it by --out\n',
      stdout: '',
    });
  });

  it('refuses folders without results', async () => {
    const [nowhere, data] = [join(cwd, 'nowhere'), join(cwd, 'data')];
    await expect(readInputs([nowhere])).rejects.toThrow(
      `cannot read ${nowhere}: no such file or folder; check the path`,
    );
    await expect(readInputs([data])).rejects.toThrow(
      `${data}: has no result.json; name the folder of a run, or one that holds runs`,
    );
  });

  it('refuses models that are not those that were measured', async () => {
    await appendFile(join(cwd, cell, 'attacker.onnx'), 'x');
    const inputs = await readInputs([join(cwd, 'runs/real')]);
    await expect(writeReport(join(cwd, 'tampered'), inputs, 'tampered')).rejects.toThrow(
      /attacker\.onnx: is not the model that .*result\.json is about/,
    );
  });
});
